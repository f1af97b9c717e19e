import { plantCheckpoints, prepareReactionTables } from '../commands/reactions/runner/checkpoints.ts';
import type { Reaction } from '../commands/reactions/reaction.ts';
import { createReactionStates, type ReactionStates } from '../commands/reactions/runner/reaction-states.ts';
import { runReactions, type Patience } from '../commands/reactions/runner/runner.ts';
import { inTransaction } from '../infra/postgres.ts';
import type { ContentWorld } from './content-world.ts';
import { eventually } from './projector-world.ts';

/** Retries at once, so that tests of failures end soon. */
export const QUICK: Patience = { attempts: 3, firstPauseMs: 1, longestPauseMs: 5, stallMs: 20 };

export type TestReactor = {
  readonly states: ReactionStates;
  /** Resolves once every reaction has passed the present end of the log. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
};

/** Follows a world's log with some reactions, from the start of the log or their checkpoints. */
export async function startReactor(world: ContentWorld, reactions: readonly Reaction[]): Promise<TestReactor> {
  await prepareReactionTables(world.pool, reactions);
  await plantCheckpoints(world.pool, world.store, reactions, 'start');
  const stop = new AbortController();
  const states = createReactionStates(reactions.map(({ name }) => name));
  const ended = runReactions({ ...world, states, patience: QUICK }, { reactions, sweeps: [] }, stop.signal);
  return {
    states,
    caughtUp: async () => {
      const head = await world.store.head();
      const names = reactions.map(({ name }) => name);
      await eventually('the reactions reach the end of the log', async () => {
        const { rows } = await world.pool.query(
          'select 1 from reactions.checkpoint where reaction = any($1::text[]) and position < $2',
          [names, head],
        );
        return rows.length === 0;
      });
    },
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** Moves reactions back to the start of the log, as if nothing had been noted of what they did. */
export async function forgetProgress(world: ContentWorld): Promise<void> {
  await inTransaction(world.pool, (tx) => tx.query('update reactions.checkpoint set position = $1', ['0'.repeat(32)]));
}
