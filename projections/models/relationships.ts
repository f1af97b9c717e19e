import type { EventOfType } from '../../domain/event-log.ts';
import { declaredOf, unreachable } from './batch.ts';
import { untilErased } from './erasure.ts';
import { applyPairFacts, type PairFact, type PairTable } from './pairs.ts';
import type { PostgresProjection } from '../projection.ts';

const handles = [
  'AccountBlocked',
  'AccountUnblocked',
  'AccountMuted',
  'AccountUnmuted',
  'CloseFriendAdded',
  'CloseFriendRemoved',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

const kinds = [
  { table: 'block', left: 'blocker_id', right: 'blocked_id' },
  { table: 'mute', left: 'muter_id', right: 'muted_id' },
  { table: 'close_friend', left: 'account_id', right: 'friend_id' },
] as const;

/** Who blocks, mutes or counts whom among the close friends. Both sides of a pair leave with an erased account. */
export const relationships: PostgresProjection = untilErased({
  store: 'postgres',
  name: 'relationships',
  version: 2,
  handles,
  ddl: (schema) =>
    kinds
      .map(
        ({ table, left, right }) => `
    create table ${schema}.${table} (
      ${left} text collate "C" not null,
      ${right} text collate "C" not null,
      since timestamptz not null,
      primary key (${left}, ${right})
    );
    create index on ${schema}.${table} (${right}, ${left});`,
      )
      .join(''),
  apply: async (tx, schema, events) => {
    const facts = declaredOf(handles, events).flatMap(factsOf);
    for (const { table, left, right } of kinds) {
      const pairs: PairTable = { table: `${schema}.${table}`, columns: [left, right, 'since'] };
      await applyPairFacts(
        tx,
        pairs,
        facts.filter((one) => one.table === table).map(({ fact }) => fact),
      );
    }
  },
  tables: kinds.map(({ table, left, right }) => ({ table, key: [left, right], columns: ['since'] })),
});

type FactOfTable = { readonly table: (typeof kinds)[number]['table']; readonly fact: PairFact };

function factsOf(event: Handled): FactOfTable[] {
  const at = event.meta.occurredAt;
  switch (event.type) {
    case 'AccountBlocked':
      return [{ table: 'block', fact: { left: event.data.blockerId, right: event.data.blockedId, since: at } }];
    case 'AccountUnblocked':
      return [{ table: 'block', fact: { left: event.data.blockerId, right: event.data.blockedId, since: null } }];
    case 'AccountMuted':
      return [{ table: 'mute', fact: { left: event.data.muterId, right: event.data.mutedId, since: at } }];
    case 'AccountUnmuted':
      return [{ table: 'mute', fact: { left: event.data.muterId, right: event.data.mutedId, since: null } }];
    case 'CloseFriendAdded':
      return [{ table: 'close_friend', fact: { left: event.data.accountId, right: event.data.friendId, since: at } }];
    case 'CloseFriendRemoved':
      return [{ table: 'close_friend', fact: { left: event.data.accountId, right: event.data.friendId, since: null } }];
    case 'AccountErased':
      return kinds.flatMap(({ table, left, right }) =>
        [left, right].map((column) => ({ table, fact: { gone: event.data.accountId, column } })),
      );
    default:
      return unreachable(event);
  }
}
