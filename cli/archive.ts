import type { Command } from 'commander';
import { noteRestoredLog } from '../commands/reactions/runner/checkpoints.ts';
import { tryLead } from '../commands/reactions/runner/leadership.ts';
import { eventsIn, exportLog } from '../infra/log-archive/export.ts';
import { checkArchive, checkTarget, importLog } from '../infra/log-archive/import.ts';
import { ArchiveError, readLines, readManifest, type Manifest } from '../infra/log-archive/segment.ts';
import { archiveFolder, archiveInObjectStore, type ArchiveStorage } from '../infra/log-archive/storage.ts';
import { mediaPlace, openMediaStore } from '../infra/object-store/media-store.ts';
import { sessionUrlOf } from '../infra/postgres.ts';
import { openVault, WrongMasterKeyError } from '../infra/vault/vault.ts';
import { restoreVault, VaultNotEmptyError } from '../infra/vault/vault-archive.ts';
import { CliError, type CliContext, type ExitCode } from './context.ts';
import type { Run } from './context.ts';
import { showProgress } from './progress.ts';

type ArchiveOptions = { objectStore?: boolean; json?: boolean };

/** `events export|import`: the backup of the log and the vault, and the way from one event store to another. */
export function registerArchive(events: Command, run: Run): void {
  const shared = (command: Command) =>
    command
      .argument('<place>', 'a folder; with --object-store a prefix in the configured object store')
      .option('--object-store', 'keep the archive in the object store of the media')
      .option('--json', 'progress and result as JSON lines');
  shared(
    events
      .command('export')
      .description('write the log and the vault as checksummed segments; run it again to add what is new'),
  ).action((place: string, options: ArchiveOptions) => run((context) => exportTo(context, place, options)));
  shared(
    events
      .command('import')
      .description(
        'restore an archive into an empty store and an empty database; run it again to go on after an interruption',
      ),
  ).action((place: string, options: ArchiveOptions) => run((context) => importFrom(context, place, options)));
}

async function exportTo(context: CliContext, place: string, options: ArchiveOptions): Promise<ExitCode> {
  const shown = showProgress('export', { unit: 'events', json: options.json === true });
  const store = await context.store();
  const manifest = await explained(() =>
    exportLog({
      store,
      pool: context.pool(),
      storage: storageAt(context, place, options),
      signal: context.signal,
      onSegment: (events) => {
        shown.at(events, events);
      },
    }),
  );
  shown.end();
  say(
    options,
    { events: eventsIn(manifest), segments: manifest.segments.length, bytes: bytesIn(manifest) },
    `${eventsIn(manifest)} events in ${manifest.segments.length} segments, ${Math.ceil(bytesIn(manifest) / 1024)} KiB. Keep the MASTER_KEY with it: without it personal data cannot be read.`,
  );
  return 0;
}

async function importFrom(context: CliContext, place: string, options: ArchiveOptions): Promise<ExitCode> {
  const storage = storageAt(context, place, options);
  return explained<ExitCode>(async () => {
    const manifest = await readManifest(storage);
    if (manifest === undefined) throw new CliError(`${place} holds no archive; shutterlog events export makes one`, 2);
    await checkArchive(storage, manifest);
    const lead = await tryLead(sessionUrlOf(context.config()));
    if (lead === undefined)
      throw new CliError(
        'a reactor runs on this database and would react to the past as if it happened now: stop it, import, start it again',
        1,
      );
    try {
      await restore(context, { storage, manifest }, options);
    } finally {
      await lead.release();
    }
    say(
      options,
      { events: eventsIn(manifest) },
      `${eventsIn(manifest)} events restored and compared. Start the projector, or run shutterlog projections rebuild --all.`,
    );
    return 0;
  });
}

async function restore(
  context: CliContext,
  { storage, manifest }: { storage: ArchiveStorage; manifest: Manifest },
  options: ArchiveOptions,
): Promise<void> {
  const { MASTER_KEY: masterKey } = context.config();
  const pool = context.pool();
  const store = await context.store();
  await checkTarget({ store, storage, manifest, signal: context.signal });
  if (manifest.vault !== undefined) await restoreVault({ pool, masterKey }, await readLines(storage, manifest.vault));
  const shown = showProgress('import', { unit: 'events', json: options.json === true });
  const { erased } = await importLog({
    store,
    storage,
    manifest,
    signal: context.signal,
    onEvents: (done) => {
      shown.at(done, eventsIn(manifest));
    },
  });
  shown.end();
  const { keys } = await openVault({ pool, masterKey });
  // The vault may be older than the log's last word on an account.
  for (const account of erased) await keys.empty(account, new Date());
  await noteRestoredLog(pool, store);
}

function storageAt(context: CliContext, place: string, { objectStore }: ArchiveOptions): ArchiveStorage {
  if (objectStore !== true) return archiveFolder(place);
  const config = context.config();
  return archiveInObjectStore(openMediaStore(config).objects, {
    prefix: place.replace(/\/+$/, ''),
    place: mediaPlace(config),
  });
}

const bytesIn = (manifest: Manifest) =>
  [...manifest.segments, ...(manifest.vault === undefined ? [] : [manifest.vault])].reduce(
    (sum, { bytes }) => sum + bytes,
    0,
  );

function say({ json }: ArchiveOptions, result: Record<string, number>, sentence: string): void {
  console.log(json === true ? JSON.stringify(result) : sentence);
}

// What an operator can act upon is said in one line; everything else is a failure with its own message.
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ArchiveError || error instanceof VaultNotEmptyError || error instanceof WrongMasterKeyError)
      throw new CliError(error.message);
    throw error;
  }
}
