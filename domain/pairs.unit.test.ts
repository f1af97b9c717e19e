import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { blockDecider } from './block.ts';
import { closeFriendDecider } from './close-friend.ts';
import { AccountId } from './ids.ts';
import { muteDecider } from './mute.ts';

const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const bob = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp42');

describe('blocking', () => {
  const given = specify(blockDecider);
  const data = { blockerId: ann, blockedId: bob };
  it('happens once', () => {
    given()
      .when({ type: 'Block', ...data })
      .then({ type: 'AccountBlocked', data });
    given({ type: 'AccountBlocked', data })
      .when({ type: 'Block', ...data })
      .then();
  });
  it('is lifted once', () => {
    given({ type: 'AccountBlocked', data })
      .when({ type: 'Unblock', ...data })
      .then({ type: 'AccountUnblocked', data });
    given()
      .when({ type: 'Unblock', ...data })
      .then();
  });
  it('may happen again', () => {
    given({ type: 'AccountBlocked', data }, { type: 'AccountUnblocked', data })
      .when({ type: 'Block', ...data })
      .then({ type: 'AccountBlocked', data });
  });
  it('is refused to oneself', () => {
    given().when({ type: 'Block', blockerId: ann, blockedId: ann }).thenRefused('cannot_block_self');
  });
  it('obeys the laws of deciders', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom({ type: 'Block' as const, ...data }, { type: 'Unblock' as const, ...data })),
        (commands) => {
          expectLaws(blockDecider, commands);
        },
      ),
    );
  });
});

describe('muting', () => {
  const given = specify(muteDecider);
  const data = { muterId: ann, mutedId: bob };
  it('happens once', () => {
    given()
      .when({ type: 'Mute', ...data })
      .then({ type: 'AccountMuted', data });
    given({ type: 'AccountMuted', data })
      .when({ type: 'Mute', ...data })
      .then();
  });
  it('is lifted once', () => {
    given({ type: 'AccountMuted', data })
      .when({ type: 'Unmute', ...data })
      .then({ type: 'AccountUnmuted', data });
    given()
      .when({ type: 'Unmute', ...data })
      .then();
  });
  it('is refused to oneself', () => {
    given().when({ type: 'Mute', muterId: ann, mutedId: ann }).thenRefused('cannot_mute_self');
  });
  it('obeys the laws of deciders', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom({ type: 'Mute' as const, ...data }, { type: 'Unmute' as const, ...data })),
        (commands) => {
          expectLaws(muteDecider, commands);
        },
      ),
    );
  });
});

describe('close friends', () => {
  const given = specify(closeFriendDecider);
  const data = { accountId: ann, friendId: bob };
  it('are added once', () => {
    given()
      .when({ type: 'AddCloseFriend', ...data })
      .then({ type: 'CloseFriendAdded', data });
    given({ type: 'CloseFriendAdded', data })
      .when({ type: 'AddCloseFriend', ...data })
      .then();
  });
  it('are removed once', () => {
    given({ type: 'CloseFriendAdded', data })
      .when({ type: 'RemoveCloseFriend', ...data })
      .then({ type: 'CloseFriendRemoved', data });
    given()
      .when({ type: 'RemoveCloseFriend', ...data })
      .then();
  });
  it('are never oneself', () => {
    given().when({ type: 'AddCloseFriend', accountId: ann, friendId: ann }).thenRefused('cannot_befriend_self');
  });
  it('obeys the laws of deciders', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            { type: 'AddCloseFriend' as const, ...data },
            { type: 'RemoveCloseFriend' as const, ...data },
          ),
        ),
        (commands) => {
          expectLaws(closeFriendDecider, commands);
        },
      ),
    );
  });
});
