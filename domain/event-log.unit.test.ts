import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventDefinitions, parseEvent, UnreadableEventError } from './event-log.ts';
import { START_OF_LOG } from './position.ts';
import type { RecordedEvent } from './recorded-event.ts';

const follower = 'acc_01jd0000000000000000000001';
const followee = 'acc_01jd0000000000000000000002';
const metadata = {
  $correlationId: 'c',
  $causationId: 'c',
  commandId: '5e0e28f0-8f0c-4d8e-9a55-7d3a8f6f0f11',
  actorId: follower,
  owners: [followee],
  occurredAt: '2026-03-01T10:00:00.000Z',
  schemaVersion: 1,
};

function recorded(overrides: Partial<RecordedEvent>): RecordedEvent {
  return {
    streamId: 's',
    revision: 0n,
    position: START_OF_LOG,
    id: 'e',
    type: 'AccountFollowed',
    data: { followerId: follower, followeeId: followee },
    metadata,
    createdAt: new Date(0),
    ...overrides,
  };
}

describe('reading the log', () => {
  it('gives an event its type and its envelope', () => {
    expect(parseEvent(recorded({}))).toMatchObject({
      type: 'AccountFollowed',
      data: { followerId: follower },
      meta: { occurredAt: new Date('2026-03-01T10:00:00Z') },
    });
  });

  it('passes over types of other programs', () => {
    expect(parseEvent(recorded({ type: 'SomethingElseHappened' }))).toBeUndefined();
  });

  it('refuses data that its schema does not know', () => {
    expect(() => parseEvent(recorded({ data: { followerId: 'nobody' } }))).toThrow(UnreadableEventError);
  });

  it('refuses an event from a newer program and says to upgrade', () => {
    expect(() => parseEvent(recorded({ metadata: { ...metadata, schemaVersion: 2 } }))).toThrow(/upgrade first/);
  });

  it('refuses an event without proper metadata', () => {
    expect(() => parseEvent(recorded({ metadata: {} }))).toThrow(/metadata are malformed/);
  });
});

/** Events of older versions as they lie in logs, opened, and the data that they are read as. */
type Stored = { what: string; stored: Pick<RecordedEvent, 'type' | 'data' | 'metadata'>; reads: unknown };
const FIXTURES = new URL('fixtures/', import.meta.url);
const olderVersions = eventDefinitions.flatMap(({ type, upcasters }) =>
  upcasters.map(({ from }) => `${type}.v${from}.json`),
);
const storedEvents = olderVersions.flatMap((file) =>
  (JSON.parse(readFileSync(new URL(file, FIXTURES), 'utf8')) as Stored[]).map((one) => ({ file, ...one })),
);

describe('an event of an older version', () => {
  it('has stored examples for each version that there ever was, and for no other', () => {
    expect(readdirSync(FIXTURES).sort()).toEqual([...olderVersions].sort());
  });

  it.each(storedEvents)('is read as one of the newest: $file, $what', ({ stored, reads }) => {
    expect(parseEvent(recorded(stored))).toMatchObject({ type: stored.type, data: reads });
    expect(parseEvent(recorded(stored))?.data).toEqual(reads);
  });

  it('is refused as unreadable when its data are not those of its version', () => {
    const { stored } = storedEvents[0]!;
    expect(() => parseEvent(recorded({ ...stored, data: { altTexts: 'none' } }))).toThrow(UnreadableEventError);
    expect(() => parseEvent(recorded({ ...stored, data: null }))).toThrow(/not those of schema version 1/);
  });
});

describe('the registry of events', () => {
  it('has each type once', () => {
    const types = eventDefinitions.map(({ type }) => type);
    expect(new Set(types).size).toBe(types.length);
  });

  it.each(eventDefinitions.map(({ type }) => [type]))(
    'names %s as a fact in the past tense that says what happened',
    (type) => {
      expect(type).toMatch(/^[A-Z][A-Za-z]+(?:ed|Chosen|Withdrawn|Made|MadePrivate|MadePublic)$/);
      expect(type).not.toMatch(/Updated$|^Changed$/);
    },
  );

  it('explains each type in one sentence', () => {
    for (const { says } of eventDefinitions) expect(says).toMatch(/^[A-Z].*\.$/);
  });
});
