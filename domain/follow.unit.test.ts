import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { followDecider, type FollowCommand, type FollowEvent } from './follow.ts';
import { AccountId } from './ids.ts';

const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const bob = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp42');
const data = { followerId: ann, followeeId: bob };
const given = specify(followDecider);

const followed: FollowEvent = { type: 'AccountFollowed', data };
const requested: FollowEvent = { type: 'FollowRequested', data };
const accepted: FollowEvent = { type: 'FollowRequestAccepted', data };
const declined: FollowEvent = { type: 'FollowRequestDeclined', data };
const withdrawn: FollowEvent = { type: 'FollowRequestWithdrawn', data };
const ended = (reason: 'unfollowed' | 'removed' | 'blocked'): FollowEvent => ({
  type: 'FollowEnded',
  data: { ...data, reason },
});

const follow = (followeePrivacy: 'public' | 'private', facts: { roundEndedByBlock?: number } = {}): FollowCommand => ({
  type: 'Follow',
  ...data,
  followeePrivacy,
  ...facts,
});
const command = (type: 'Unfollow' | 'RemoveFollower' | 'AcceptRequest' | 'DeclineRequest'): FollowCommand => ({
  type,
  ...data,
});

describe('following', () => {
  it('begins at once with a public account', () => {
    given().when(follow('public')).then(followed);
  });
  it('begins with a request to a private account', () => {
    given().when(follow('private')).then(requested);
  });
  it('changes nothing the second time', () => {
    given(followed).when(follow('public')).then();
    given(followed).when(follow('private')).then();
    given(requested).when(follow('private')).then();
  });
  it('replaces a request when the account has become public', () => {
    given(requested).when(follow('public')).then(withdrawn, followed);
  });
  it('is refused to oneself', () => {
    given()
      .when({ ...follow('public'), followeeId: ann })
      .thenRefused('cannot_follow_self');
  });
  it('begins anew after a block that the stream does not tell of yet', () => {
    given(followed)
      .when(follow('public', { roundEndedByBlock: 1 }))
      .then(ended('blocked'), followed);
    given(requested)
      .when(follow('private', { roundEndedByBlock: 1 }))
      .then(withdrawn, requested);
    given(followed, ended('unfollowed'), followed)
      .when(follow('public', { roundEndedByBlock: 1 }))
      .then();
  });
});

describe('unfollowing', () => {
  it('ends the follow', () => {
    given(followed).when(command('Unfollow')).then(ended('unfollowed'));
  });
  it('withdraws the request', () => {
    given(requested).when(command('Unfollow')).then(withdrawn);
  });
  it('changes nothing where there is neither', () => {
    given().when(command('Unfollow')).then();
    given(requested, declined).when(command('Unfollow')).then();
  });
});

describe('answering a request', () => {
  it('accepts it', () => {
    given(requested).when(command('AcceptRequest')).then(accepted);
  });
  it('declines it', () => {
    given(requested).when(command('DeclineRequest')).then(declined);
  });
  it('changes nothing when it is accepted twice', () => {
    given(requested, accepted).when(command('AcceptRequest')).then();
  });
  it('is refused without a request', () => {
    given().when(command('AcceptRequest')).thenRefused('follow_request_not_found');
    given(requested, withdrawn).when(command('AcceptRequest')).thenRefused('follow_request_not_found');
    given().when(command('DeclineRequest')).thenRefused('follow_request_not_found');
    given(requested, accepted).when(command('DeclineRequest')).thenRefused('follow_request_not_found');
  });
  it('is refused when a block has ended the request', () => {
    given(requested)
      .when({ type: 'AcceptRequest', ...data, roundEndedByBlock: 1 })
      .thenRefused('follow_request_not_found');
    given(requested)
      .when({ type: 'DeclineRequest', ...data, roundEndedByBlock: 1 })
      .thenRefused('follow_request_not_found');
    given(requested, accepted)
      .when({ type: 'AcceptRequest', ...data, roundEndedByBlock: 1 })
      .thenRefused('follow_request_not_found');
  });
});

describe('removing a follower', () => {
  it('ends the follow', () => {
    given(followed).when(command('RemoveFollower')).then(ended('removed'));
  });
  it('leaves a request to be declined', () => {
    given(requested).when(command('RemoveFollower')).then();
  });
  it('changes nothing without a follow', () => {
    given().when(command('RemoveFollower')).then();
  });
});

describe('ending for a block', () => {
  it('ends the follow, or voids the request, that the block met', () => {
    given(followed)
      .when({ type: 'EndForBlock', ...data, round: 1 })
      .then(ended('blocked'));
    given(requested)
      .when({ type: 'EndForBlock', ...data, round: 1 })
      .then(withdrawn);
  });
  it('leaves a newer follow alone', () => {
    given(followed, ended('unfollowed'), followed)
      .when({ type: 'EndForBlock', ...data, round: 1 })
      .then();
  });
  it('changes nothing the second time', () => {
    given(followed, ended('blocked'))
      .when({ type: 'EndForBlock', ...data, round: 1 })
      .then();
  });
});

describe('any history', () => {
  it('obeys the laws of deciders', () => {
    const anyCommand: fc.Arbitrary<FollowCommand> = fc.oneof(
      fc.constantFrom(follow('public'), follow('private')),
      fc.constantFrom(
        command('Unfollow'),
        command('RemoveFollower'),
        command('AcceptRequest'),
        command('DeclineRequest'),
      ),
      fc.nat(4).map((round): FollowCommand => ({ type: 'EndForBlock', ...data, round })),
      fc.nat(4).map((roundEndedByBlock) => follow('public', { roundEndedByBlock })),
    );
    fc.assert(
      fc.property(fc.array(anyCommand, { maxLength: 30 }), (commands) => {
        expectLaws(followDecider, commands);
      }),
    );
  });
});
