import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../../domain/event-log.ts';
import { Position, START_OF_LOG } from '../../../domain/position.ts';
import { EventStoreAwayError, openEventStore } from '../../../infra/event-store/event-store.ts';
import { startEventStoreNode } from '../../../infra/event-store-node/server.ts';
import { openContentWorld, type ContentWorld } from '../../../testing/content-world.ts';
import { eventually } from '../../../testing/projector-world.ts';
import { QUICK } from '../../../testing/reactor.ts';
import type { CommandContext } from '../../handle.ts';
import {
  CheckpointMovedError,
  holdCheckpoint,
  noteEmptyLog,
  noteRestoredLog,
  plantCheckpoints,
  prepareReactionTables,
  ReactorRefusedError,
} from './checkpoints.ts';
import { tryLead, whileLeading } from './leadership.ts';
import { ModelsBehindError, type Reaction } from '../reaction.ts';
import { createReactionStates } from './reaction-states.ts';
import { runReactions, type RunnerDeps } from './runner.ts';

let world: ContentWorld;
beforeEach(async () => {
  world = await openContentWorld();
});
afterEach(() => world.close());

type Seen = { event: DomainEvent; context: CommandContext };

function recording(
  name = 'recording',
  also: (seen: Seen) => Promise<void> | void = () => undefined,
): Reaction & { seen: Seen[] } {
  const seen: Seen[] = [];
  return {
    name,
    handles: ['AccountRegistered'],
    seen,
    react: async (event, context) => {
      await also({ event, context });
      seen.push({ event, context });
    },
  };
}

function depsFor(reactions: readonly Reaction[]): RunnerDeps {
  return { ...world, states: createReactionStates(reactions.map(({ name }) => name)), patience: QUICK };
}

function run(reactions: readonly Reaction[], deps = depsFor(reactions)) {
  const stop = new AbortController();
  const ended = runReactions(deps, { reactions, sweeps: [] }, stop.signal);
  return {
    states: deps.states,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

async function plant(reactions: readonly Reaction[], from?: 'start' | 'end'): Promise<void> {
  await prepareReactionTables(world.pool, reactions);
  await plantCheckpoints(world.pool, world.store, reactions, from);
}

const positionOf = async (name: string) =>
  (
    await world.pool.query<{ position: string }>('select position from reactions.checkpoint where reaction = $1', [
      name,
    ])
  ).rows[0]?.position;

describe('following the log', () => {
  it('gives each event once and in order while nothing breaks, and passes over the others', async () => {
    const reaction = recording();
    await plant([reaction]);
    const running = run([reaction]);
    const accounts = [await world.account(), await world.account()];
    await world.publishedPost(accounts[0]!);
    const head = await world.store.head();
    await eventually('the checkpoint reaches the head', async () => (await positionOf('recording')) === head);
    await running.stop();
    expect(reaction.seen.map(({ event }) => event.type === 'AccountRegistered' && event.data.accountId)).toEqual(
      accounts,
    );
  });

  it('opens personal data, and commands as the system because of the event', async () => {
    const reaction = recording();
    await plant([reaction]);
    const running = run([reaction]);
    await world.account();
    await eventually('the event is handled', () => reaction.seen.length === 1);
    await running.stop();
    const [{ event, context } = {} as Seen] = reaction.seen;
    expect(event.data).toMatchObject({ fullName: 'Someone' });
    expect(context).toMatchObject({ actorId: 'system', causationId: event.id, correlationId: 'test' });
  });

  it('goes on after a stop where it ended', async () => {
    const reaction = recording();
    await plant([reaction]);
    const first = run([reaction]);
    await world.account();
    await eventually('the first is handled', () => reaction.seen.length === 1);
    await first.stop();
    await world.account();
    const second = run([reaction]);
    await eventually('the second is handled', () => reaction.seen.length === 2);
    await second.stop();
    expect(new Set(reaction.seen.map(({ event }) => event.id)).size).toBe(2);
  });

  it('delivers an event again whose checkpoint was not written, under the same command id', async () => {
    const reaction = recording();
    await plant([reaction]);
    await world.account();
    for (const wanted of [1, 2]) {
      const running = run([reaction]);
      await eventually('the event is handled', () => reaction.seen.length === wanted);
      await running.stop();
      // As if the process had died between the effect and the checkpoint.
      await world.pool.query('update reactions.checkpoint set position = $1', [START_OF_LOG]);
    }
    const [first, second] = reaction.seen;
    expect(second?.context.commandId).toBe(first?.context.commandId);
  });

  it('opens the subscription again when the event store comes back', async () => {
    const reaction = recording();
    const node = await startEventStoreNode({ dataDir: `${world.objectsDir}/log` });
    const store = await openEventStore(node.url);
    await prepareReactionTables(world.pool, [reaction]);
    await plantCheckpoints(world.pool, store, [reaction], undefined);
    const running = run([reaction], { ...depsFor([reaction]), store });
    const append = (to: typeof store) =>
      to.append(`account-${randomUUID()}`, 'no_stream', [
        {
          id: randomUUID(),
          type: 'AccountRegistered',
          data: {
            accountId: 'acc_01h455vb4pex5vsknk084sn02q',
            username: null,
            email: null,
            fullName: null,
            privacy: 'public',
          },
          metadata: {
            $correlationId: 'c',
            $causationId: 'c',
            commandId: randomUUID(),
            actorId: 'system',
            owners: [],
            occurredAt: new Date().toISOString(),
            schemaVersion: 1,
          },
        },
      ]);
    await append(store);
    await eventually('the first is handled', () => reaction.seen.length === 1);
    await node.close();
    await eventually('the runner notices', () => running.states.all().get('recording') === 'waiting');
    const again = await startEventStoreNode({ dataDir: `${world.objectsDir}/log`, port: node.port });
    await eventually(
      'the subscription is open again',
      () => running.states.all().get('recording') === 'running',
      40_000,
    );
    await append(store);
    await eventually('the second is handled', () => reaction.seen.length === 2, 40_000);
    await running.stop();
    await store.close();
    await again.close();
  });
});

describe('a reaction that fails', () => {
  it('is tried again, and goes on when it works', async () => {
    let failures = 2;
    const reaction = recording('flaky', () => {
      if (failures-- > 0) throw new Error('not yet');
    });
    await plant([reaction]);
    const running = run([reaction]);
    await world.account();
    await eventually('the event is handled', () => reaction.seen.length === 1);
    await running.stop();
    expect(failures).toBe(-1);
  });

  it.each([
    ['a store is away', () => new EventStoreAwayError('away')],
    ['the models that it goes by are behind', () => new ModelsBehindError('behind')],
  ])('waits without end and does not count while %s', async (_, failure) => {
    let failures = 4 * QUICK.attempts;
    const reaction = recording('waiting', () => {
      if (failures-- > 0) throw failure();
    });
    await plant([reaction]);
    const deps = depsFor([reaction]);
    const states = new Set<string>();
    const running = run([reaction], {
      ...deps,
      states: {
        ...deps.states,
        set: (name, state) => {
          states.add(state);
          deps.states.set(name, state);
        },
      },
    });
    await world.account();
    await eventually('the event is handled', () => reaction.seen.length === 1);
    await running.stop();
    expect(states).toContain('waiting');
    expect(states).not.toContain('stalled');
  });

  it('stalls at the event without skipping it or holding up others, and goes on once the cause is cured', async () => {
    let broken = true;
    const reaction = recording('broken', () => {
      if (broken) throw new Error('poison');
    });
    const healthy = recording('healthy');
    await plant([reaction, healthy]);
    const running = run([reaction, healthy]);
    await world.account();
    await eventually('the broken one stalls', () => running.states.all().get('broken') === 'stalled');
    await eventually('the healthy one goes on', () => healthy.seen.length === 1);
    expect(await positionOf('broken')).toBe(START_OF_LOG);
    broken = false;
    await eventually('the cured one goes on', () => reaction.seen.length === 1);
    await running.stop();
  });
});

describe('two runners', () => {
  it('never both move a checkpoint', async () => {
    await plant([recording('shared')]);
    await world.account();
    const [head, later] = [await world.store.head(), Position.parse('f'.repeat(32))];
    const [one, other] = await Promise.all([1, 2].map(() => holdCheckpoint(world.pool, 'shared', world.store.storeId)));
    one!.pass(head);
    await one!.flush();
    other!.pass(later);
    await expect(other!.flush()).rejects.toThrow(CheckpointMovedError);
    expect(await positionOf('shared')).toBe(head);
  });

  it('take turns: the second leads when the first is gone', async () => {
    const turns: string[] = [];
    const stops = [new AbortController(), new AbortController()];
    const lead = (name: string, stop: AbortController) =>
      whileLeading({ databaseUrl: world.databaseUrl, log: world.log, signal: stop.signal }, async (signal) => {
        turns.push(`${name} leads`);
        await new Promise<void>((resolve) => {
          signal.addEventListener(
            'abort',
            () => {
              resolve();
            },
            { once: true },
          );
        });
        turns.push(`${name} ends`);
      });
    const first = lead('first', stops[0]!);
    await eventually('the first leads', () => turns.length === 1);
    const second = lead('second', stops[1]!);
    stops[0]!.abort();
    await first;
    await eventually('the second leads', () => turns.includes('second leads'));
    stops[1]!.abort();
    await second;
    expect(turns).toEqual(['first leads', 'first ends', 'second leads', 'second ends']);
  });

  it('is kept from leading by work that must not be reacted to', async () => {
    const url = world.databaseUrl;
    const kept = await tryLead(url);
    expect(kept).toBeDefined();
    expect(await tryLead(url)).toBeUndefined();
    await kept?.release();
    const again = await tryLead(url);
    expect(again).toBeDefined();
    await again?.release();
  });

  it('leads no longer when the connection that holds the lock is cut, and again with another', async () => {
    let leads = 0;
    const stop = new AbortController();
    const leading = whileLeading(
      { databaseUrl: world.databaseUrl, log: world.log, signal: stop.signal },
      async (signal) => {
        leads += 1;
        await new Promise<void>((resolve) => {
          signal.addEventListener(
            'abort',
            () => {
              resolve();
            },
            { once: true },
          );
        });
      },
    );
    await eventually('it leads', () => leads === 1);
    await world.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'reactor-leader' and datname = current_database()",
    );
    await eventually('it leads again', () => leads === 2);
    stop.abort();
    await leading;
  });
});

describe('a reaction without a checkpoint', () => {
  it('begins at the start of an empty log', async () => {
    await plant([recording()]);
    expect(await positionOf('recording')).toBe(START_OF_LOG);
  });

  it('begins at the start of a log that was noted empty before its first event', async () => {
    await noteEmptyLog(world.pool, world.store);
    await world.account();
    await plant([recording()]);
    expect(await positionOf('recording')).toBe(START_OF_LOG);
  });

  it('refuses to start on a log that holds events, so that nothing is told twice', async () => {
    await world.account();
    await noteEmptyLog(world.pool, world.store);
    await expect(plant([recording()])).rejects.toThrow(ReactorRefusedError);
    await expect(plant([recording()])).rejects.toThrow('REACTIONS_FROM=end');
    expect(await positionOf('recording')).toBeUndefined();
  });

  it('refuses to start beside others that have theirs, as after an upgrade', async () => {
    await plant([recording('old')]);
    await world.account();
    await expect(plant([recording('old'), recording('new')])).rejects.toThrow('new');
  });

  it('begins at the start beside others where it says that this does no harm', async () => {
    await plant([recording('old')]);
    await world.account();
    await plant([recording('old'), { ...recording('new'), begins: 'start' }]);
    expect(await positionOf('new')).toBe(START_OF_LOG);
    await expect(plant([recording('third'), { ...recording('fourth'), begins: 'start' }])).rejects.toThrow('third');
    expect(await positionOf('fourth')).toBeUndefined();
  });

  it.each(['start', 'end'] as const)('begins at the %s when told so', async (from) => {
    await world.account();
    await plant([recording()], from);
    expect(await positionOf('recording')).toBe(from === 'start' ? START_OF_LOG : await world.store.head());
  });

  it('begins behind what was restored from an archive, even if the log was seen empty before', async () => {
    await noteEmptyLog(world.pool, world.store);
    await world.account();
    await noteRestoredLog(world.pool, world.store);
    const restored = await world.store.head();
    await world.account();
    await plant([recording()]);
    expect(await positionOf('recording')).toBe(restored);
    await expect(plant([recording(), recording('added later')])).rejects.toThrow(ReactorRefusedError);
  });

  it('refuses a checkpoint of another log', async () => {
    await plant([recording()]);
    await world.pool.query('update reactions.checkpoint set store_id = $1', [randomUUID()]);
    await world.account();
    await expect(plant([recording()])).rejects.toThrow('another log');
  });
});
