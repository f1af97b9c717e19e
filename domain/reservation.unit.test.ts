import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectLaws, historyOf, specify } from '../testing/decider-spec.ts';
import { AccountId } from './ids.ts';
import {
  emailReservation,
  usernameReservation,
  type ReservationCommand,
  type ReservationEvent,
} from './reservation.ts';

const ann = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp41');
const bob = AccountId.parse('acc_01h2xcejqtf2nbrexx3vqjhp42');
const given = specify(usernameReservation);
const held = (accountId: AccountId): ReservationEvent => ({ type: 'UsernameReserved', data: { accountId } });
const released = (accountId: AccountId): ReservationEvent => ({ type: 'UsernameReleased', data: { accountId } });

describe('a reservation', () => {
  it('is given to the first who asks', () => {
    given().when({ type: 'Reserve', accountId: ann }).then(held(ann));
  });
  it('is kept by its holder', () => {
    given(held(ann)).when({ type: 'Reserve', accountId: ann }).then();
  });
  it('is refused to everybody else', () => {
    given(held(ann)).when({ type: 'Reserve', accountId: bob }).thenRefused('already_reserved');
  });
  it('is taken over from a holder whose registration is abandoned, and from no other', () => {
    given(held(ann)).when({ type: 'Reserve', accountId: bob, abandonedHolder: ann }).then(held(bob));
    given(held(ann)).when({ type: 'Reserve', accountId: bob, abandonedHolder: bob }).thenRefused('already_reserved');
  });
  it('is free again after its holder gave it up', () => {
    given(held(ann)).when({ type: 'Release', accountId: ann }).then(released(ann));
    given(held(ann), released(ann)).when({ type: 'Reserve', accountId: bob }).then(held(bob));
    given(held(ann), released(ann)).when({ type: 'Release', accountId: ann }).then();
  });
  it('is not given up by anybody else', () => {
    given(held(ann)).when({ type: 'Release', accountId: bob }).then();
  });
  it('speaks of e-mail addresses in its own words', () => {
    specify(emailReservation)()
      .when({ type: 'Reserve', accountId: ann })
      .then({ type: 'EmailReserved', data: { accountId: ann } });
    specify(emailReservation)({ type: 'EmailReserved', data: { accountId: ann } })
      .when({ type: 'Release', accountId: ann })
      .then({ type: 'EmailReleased', data: { accountId: ann } });
  });
  it('never has two holders, whatever happens', () => {
    const account = fc.constantFrom(ann, bob);
    const command: fc.Arbitrary<ReservationCommand> = fc.oneof(
      fc.record({ type: fc.constant('Reserve' as const), accountId: account }),
      fc.record({ type: fc.constant('Release' as const), accountId: account }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        expectLaws(usernameReservation, commands);
        let holder: AccountId | undefined;
        for (const event of historyOf(usernameReservation, commands).events) {
          if (event.type === 'UsernameReserved') expect(holder).toBeUndefined();
          else expect(event.data.accountId).toBe(holder);
          holder = event.type === 'UsernameReserved' ? event.data.accountId : undefined;
        }
      }),
    );
  });
});
