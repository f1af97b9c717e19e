import type { Command } from 'commander';
import { listDeadLetters, takeDeadLetter, type DeadLetter } from '../commands/reactions/runner/dead-letters.ts';
import { prepareReactionTables } from '../commands/reactions/runner/checkpoints.ts';
import { requeueJob } from '../commands/reactions/media/media-jobs.ts';
import {
  listProjectionLetters,
  retryStopped,
  skipStopped,
  type ProjectionLetter,
} from '../projections/runner/dead-letters.ts';
import { prepareProjectionTables } from '../projections/builds/schema.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';

/** Work or an event that was given up on. `id` is what the other subcommands take. */
type Letter =
  | { readonly kind: 'reaction'; readonly id: string; readonly letter: DeadLetter }
  | { readonly kind: 'projection'; readonly id: string; readonly letter: ProjectionLetter };

const MOST_LETTERS = 1_000;

/** `dead-letters list|show|retry|skip`: what reactions gave up on, and the events that projections could not apply. */
export function registerDeadLetters(program: Command, run: Run): void {
  const group = program
    .command('dead-letters')
    .description('what reactions gave up on, and events that projections could not apply');
  group
    .command('list')
    .description('all of them, oldest first')
    .option('--json', 'one JSON array')
    .action((options: { json?: boolean }) => run((context) => list(context, options.json === true)));
  group
    .command('show')
    .description('everything known about one')
    .argument('<id>')
    .action((id: string) => run((context) => show(context, id)));
  group
    .command('retry')
    .description('try the work again, or let the projection try its event again')
    .argument('<id>')
    .action((id: string) => run((context) => retry(context, id)));
  group
    .command('skip')
    .description('give the work up for good, or let the projection go on without its event')
    .argument('<id>')
    .action((id: string) => run((context) => skip(context, id)));
}

async function list(context: CliContext, json: boolean): Promise<ExitCode> {
  const letters = await allLetters(context);
  if (json) console.log(JSON.stringify(letters.map(presented)));
  else if (letters.length === 0) console.log('no dead letters');
  else for (const one of letters) console.log(lineOf(one));
  return 0;
}

async function show(context: CliContext, id: string): Promise<ExitCode> {
  const found = await find(context, id);
  const event = found.kind === 'projection' ? { event: await eventOf(context, found.letter) } : {};
  console.log(JSON.stringify({ ...presented(found), ...event }, null, 2));
  return 0;
}

// As it lies in the log: personal data stay sealed.
async function eventOf(
  context: CliContext,
  { streamId, eventId }: ProjectionLetter,
): Promise<Record<string, unknown> | null> {
  const event = (await (await context.store()).readStream(streamId)).find((one) => one.id === eventId);
  return event === undefined
    ? null
    : { revision: Number(event.revision), created_at: event.createdAt, data: event.data, metadata: event.metadata };
}

async function retry(context: CliContext, id: string): Promise<ExitCode> {
  const found = await find(context, id);
  if (found.kind === 'reaction') {
    const taken = await takeDeadLetter(context.pool(), found.letter.id, requeueJob);
    if (!taken) throw gone(id);
    console.log(`${found.letter.subject} is in line again`);
    return 0;
  }
  const { state, projection, eventId } = found.letter;
  if (state === 'parked')
    throw new CliError(
      `${projection} went on without this event; to have it applied in its place: shutterlog projections rebuild ${projection}`,
    );
  if (!(await retryStopped(context.pool(), projection, eventId))) throw gone(id);
  console.log(`${projection} tries ${eventId} again; shutterlog projections status ${projection} tells how it went`);
  return 0;
}

async function skip(context: CliContext, id: string): Promise<ExitCode> {
  const found = await find(context, id);
  if (found.kind === 'reaction') {
    if (!(await takeDeadLetter(context.pool(), found.letter.id, async () => undefined))) throw gone(id);
    console.log(`${found.letter.subject} is given up`);
    return 0;
  }
  const { state, projection, eventId } = found.letter;
  if (state === 'parked') throw new CliError(`${projection} has gone on without this event already`);
  if (!(await skipStopped(context.pool(), projection, eventId))) throw gone(id);
  console.log(`${projection} goes on without ${eventId}, which stays listed as parked; a rebuild would meet it again`);
  return 0;
}

async function allLetters(context: CliContext): Promise<Letter[]> {
  const pool = context.pool();
  await prepareProjectionTables(pool);
  await prepareReactionTables(pool, []);
  const [work, events] = [await listDeadLetters(pool, MOST_LETTERS), await listProjectionLetters(pool, MOST_LETTERS)];
  return [
    ...events.map((letter) => ({ kind: 'projection' as const, id: `${letter.projection}:${letter.eventId}`, letter })),
    ...work.map((letter) => ({ kind: 'reaction' as const, id: letter.id, letter })),
  ];
}

async function find(context: CliContext, id: string): Promise<Letter> {
  const found = (await allLetters(context)).find((one) => one.id === id);
  if (found === undefined) throw new CliError(`no dead letter ${id}; shutterlog dead-letters list shows them`, 2);
  return found;
}

const gone = (id: string) => new CliError(`${id} was dealt with a moment ago`);

function presented({ kind, id, letter }: Letter): Record<string, unknown> {
  return { id, kind, ...letter };
}

function lineOf(one: Letter): string {
  return one.kind === 'reaction'
    ? `${one.id}  ${one.letter.reaction} ${one.letter.subject}, ${one.letter.attempts} tries until ${one.letter.parkedAt.toISOString()}: ${one.letter.reason}`
    : `${one.id}  ${one.letter.state} at ${one.letter.type} of ${one.letter.streamId}, ${one.letter.attempts} tries until ${one.letter.at}: ${one.letter.error}`;
}
