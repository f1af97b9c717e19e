import { describe, expect, it } from 'vitest';
import type { DomainEvent, EventType } from '../../domain/event-log.ts';
import { newId } from '../../infra/ids.ts';
import { parseEvent } from '../../domain/event-log.ts';
import { START_OF_LOG } from '../../domain/position.ts';
import { happened, type DataOf, type Fact } from '../../testing/projection-spec.ts';
import { erased } from '../../testing/facts.ts';
import { changesOf, readAnnouncement } from './invalidation.ts';

function event({ type, data }: Fact): DomainEvent {
  const id = '00000000-0000-4000-8000-000000000001';
  const metadata = {
    $correlationId: 'c',
    $causationId: 'c',
    commandId: id,
    actorId: 'system',
    occurredAt: '2026-01-01T00:00:00.000Z',
    schemaVersion: 1,
    owners: [],
  };
  const parsed = parseEvent({
    id,
    type,
    data: JSON.parse(JSON.stringify(data)),
    metadata,
    streamId: 's',
    revision: 0n,
    position: START_OF_LOG,
    createdAt: new Date(0),
  });
  if (parsed === undefined) throw new Error(`${type} is not an event of ours`);
  return parsed;
}
const told = <T extends EventType>(type: T, data: DataOf<T>) => event(happened(type, data));

describe('what a projector announces', () => {
  it('names every account and post that the events name, once, but not whose post it is', () => {
    const [ann, ben, postId] = [newId.account(), newId.account(), newId.post()];
    const like = { postId, accountId: ben, authorId: ann };
    expect(
      changesOf([told('PostLiked', like), told('PostUnliked', like), told('PostSaved', { postId, accountId: ben })]),
    ).toEqual([postId, ben]);
  });

  it('is everything when an account is erased, and when more changed than one announcement holds', () => {
    expect(changesOf([event(erased(newId.account()))])).toBe('all');
    const many = Array.from({ length: 181 }, () => told('PasswordChanged', { accountId: newId.account() }));
    expect(changesOf(many)).toBe('all');
    const most = changesOf(many.slice(1));
    expect(most).toHaveLength(180);
    expect(Buffer.byteLength(JSON.stringify(most))).toBeLessThan(8_000);
  });

  it('is read back, and is everything when it cannot be read', () => {
    expect([
      readAnnouncement('["a"]'),
      readAnnouncement('"all"'),
      readAnnouncement('{"of":"another release"}'),
      readAnnouncement('['),
    ]).toEqual([['a'], 'all', 'all', 'all']);
  });
});
