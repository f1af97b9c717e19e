import { inTransaction, type Pool } from '../../../infra/postgres.ts';
import { noteAnnounced, unannouncedDeadLetters } from '../runner/dead-letters.ts';
import { MEDIA_REACTION } from './media-jobs.ts';
import type { KafkaMediaQueue } from './media-queue-kafka.ts';
import { encodeDeadLetter } from './media-topic.ts';
import type { Sweep } from '../reaction.ts';

const AT_ONCE = 100;

/** Tells the dead-letter topic of each media job that was given up, at least once. */
export function announceDeadLetters(pool: Pool, queue: Pick<KafkaMediaQueue, 'announce'>): Sweep {
  return {
    name: 'announce-dead-letters',
    everyMs: 2_000,
    sweep: () =>
      inTransaction(pool, async (tx) => {
        const letters = await unannouncedDeadLetters(tx, MEDIA_REACTION, AT_ONCE);
        if (letters.length === 0) return 0;
        await queue.announce(letters.map(encodeDeadLetter));
        await noteAnnounced(
          tx,
          letters.map(({ id }) => id),
        );
        return letters.length;
      }),
  };
}
