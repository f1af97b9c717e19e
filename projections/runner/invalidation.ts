import { z } from 'zod';
import type { DomainEvent } from '../../domain/event-log.ts';
import { OwnerId } from '../../domain/ids.ts';
import type { Changes } from '../../infra/process/invalidation-source.ts';
import type { Sql, Transaction } from '../../infra/postgres.ts';

/** The channel on which projectors announce what they have changed in the models. */
export const CHANGES_CHANNEL = 'shutterlog_changes';

const Announced = z.union([z.literal('all'), z.array(z.string())]);

/** The models of which a change is announced: those that say what stands in somebody's feed, and with which counts. */
const ANNOUNCED = new Set(['accounts', 'follows', 'relationships', 'posts', 'likes', 'saves', 'comments']);

/** PostgreSQL refuses a notice of 8,000 bytes; an id and its quotes take less than 40. */
const MOST_IDS = 180;

/** Fields that say whose post an event is about: nothing of that account changed. */
const OWNERS_OF_POSTS = new Set(['authorId', 'postAuthorId']);

/**
 * Every account and post that some events name, but for the author of a post that they are about. Whatever they changed
 * is about one of these, save for an erasure, which takes back what the account gave to others: that is `all`.
 */
export function changesOf(events: readonly DomainEvent[]): Changes {
  if (events.some(({ type }) => type === 'AccountErased')) return 'all';
  const named = new Set(
    events.flatMap(({ data }) =>
      Object.entries(data).flatMap(([field, value]: [string, unknown]) =>
        !OWNERS_OF_POSTS.has(field) && isOwner(value) ? value : [],
      ),
    ),
  );
  return named.size > MOST_IDS ? 'all' : [...named];
}

const isOwner = (value: unknown): value is string => OwnerId.safeParse(value).success;

/**
 * Announces in the transaction that applies events to a model what they change. Those who listen hear of it once it is
 * committed, and never of what was rolled back.
 */
export async function announceChanges(
  tx: Pick<Transaction, 'query'>,
  model: string,
  events: readonly DomainEvent[],
): Promise<void> {
  if (events.length === 0 || !ANNOUNCED.has(model)) return;
  await tx.query('select pg_notify($1, $2)', [CHANGES_CHANNEL, JSON.stringify(changesOf(events))]);
}

/** Announces that everything may have changed: before somebody else goes on writing models that are live. */
export async function announceEverything(sql: Sql): Promise<void> {
  await sql.query('select pg_notify($1, $2)', [CHANGES_CHANNEL, JSON.stringify('all')]);
}

/** What an announcement says; `all` for one that cannot be read, as from another release. */
export function readAnnouncement(text: string): Changes {
  try {
    return Announced.parse(JSON.parse(text));
  } catch {
    return 'all';
  }
}
