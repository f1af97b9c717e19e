import type { Command } from 'commander';
import { laterOf, type Position } from '../domain/position.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import { openPersonalData, type DataKeys } from '../infra/vault/personal-data.ts';
import { readPosition, shownPosition } from '../infra/event-store/position-text.ts';
import { openVault } from '../infra/vault/vault.ts';
import { registerArchive } from './archive.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';

type TailOptions = { follow?: boolean; after?: string; limit: string; type?: string; json?: boolean; open?: boolean };

/** `events tail|show`: the log for people's eyes. Personal data stay sealed unless `--open` asks for them. */
export function registerEvents(program: Command, run: Run): void {
  const events = program.command('events').description('read the event log');
  events
    .command('tail')
    .description('the newest events, and with --follow each new one as it comes')
    .option('-f, --follow', 'stay and show new events')
    .option('-n, --limit <count>', 'how many events to show first', '20')
    .option('--after <position>', 'start behind this position instead of near the end')
    .option('--type <type>', 'only events of this type')
    .option('--open', 'open sealed personal data')
    .option('--json', 'one JSON object a line')
    .action((options: TailOptions) => run((context) => tail(context, options)));
  events
    .command('show')
    .description('every event of one stream')
    .argument('<stream>', 'such as post-post_01…')
    .option('--open', 'open sealed personal data')
    .option('--json', 'one JSON object a line')
    .action((stream: string, options: { json?: boolean; open?: boolean }) =>
      run((context) => show(context, stream, options)),
    );
  registerArchive(events, run);
}

async function tail(context: CliContext, options: TailOptions): Promise<ExitCode> {
  const store = await context.store();
  const keys = options.open === true ? await dataKeys(context) : undefined;
  const after = options.after === undefined ? undefined : positionOf(options.after);
  const wanted = (event: RecordedEvent) => options.type === undefined || event.type === options.type;
  const { events, last } = await firstEvents(context, { limit: wholeNumber(options.limit, '--limit'), after, wanted });
  for (const event of events) await print(event, keys, options.json);
  if (options.follow !== true) return 0;
  for await (const portion of store.subscribe({ after: last, signal: context.signal })) {
    for (const event of portion) if (wanted(event) && !context.signal.aborted) await print(event, keys, options.json);
  }
  return 0;
}

// Without a start the log is read from its end: it may be long, and only its newest part is wanted.
async function firstEvents(
  context: CliContext,
  range: { limit: number; after: Position | undefined; wanted: (event: RecordedEvent) => boolean },
): Promise<{ events: RecordedEvent[]; last: Position }> {
  const store = await context.store();
  const events: RecordedEvent[] = [];
  let last = range.after ?? (await store.head());
  if (range.limit === 0) return { events, last };
  for await (const event of range.after === undefined
    ? store.readAll({ backwards: true })
    : store.readAll({ after: range.after })) {
    last = laterOf(last, event.position);
    if (range.wanted(event)) events.push(event);
    if (events.length >= range.limit || context.signal.aborted) break;
  }
  return { events: range.after === undefined ? events.reverse() : events, last };
}

async function show(
  context: CliContext,
  stream: string,
  options: { json?: boolean; open?: boolean },
): Promise<ExitCode> {
  const events = await (await context.store()).readStream(stream);
  if (events.length === 0) throw new CliError(`no stream ${stream}; shutterlog events tail shows stream names`);
  const keys = options.open === true ? await dataKeys(context) : undefined;
  for (const event of events) await print(event, keys, options.json);
  return 0;
}

async function dataKeys(context: CliContext): Promise<DataKeys> {
  return (await openVault({ pool: context.pool(), masterKey: context.config().MASTER_KEY })).keys;
}

async function print(event: RecordedEvent, keys: DataKeys | undefined, json: boolean | undefined): Promise<void> {
  const opened = keys === undefined ? event : ((await openPersonalData([event], keys))[0] ?? event);
  const { streamId, revision, position, id, type, data, metadata, createdAt } = opened;
  if (json === true) {
    console.log(
      JSON.stringify({
        position,
        stream: streamId,
        revision: Number(revision),
        id,
        type,
        created_at: createdAt,
        data,
        metadata,
      }),
    );
    return;
  }
  console.log(
    `${createdAt.toISOString()}  ${type.padEnd(24)} ${streamId}@${revision}\n  at ${shownPosition(position)}\n  ${JSON.stringify(shorten(data))}`,
  );
}

// A sealed value is long and tells a reader nothing but that it is there.
function shorten(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]: [string, unknown]) => [name, isSealed(value) ? '(sealed)' : value]),
  );
}

const isSealed = (value: unknown) => typeof value === 'object' && value !== null && '$sealed' in value;

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new CliError(`${option} takes a whole number, not ${text}`, 2);
  return Number(text);
}

function positionOf(text: string): Position {
  const position = readPosition(text);
  if (position === undefined)
    throw new CliError(`${text} is not a position; shutterlog events tail shows positions`, 2);
  return position;
}
