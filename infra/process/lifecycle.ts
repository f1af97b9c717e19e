import type { Log } from './log.ts';
import { onParentGone } from './parent-gone.ts';

/** Releases one resource; called once, in reverse order of opening. */
export type Release = () => Promise<void> | void;
/** Registers what must be released; returns the resource itself for plain composition. */
export type Own = <T>(resource: T, release: (resource: T) => Promise<void> | void) => T;

const RELEASE_LIMIT_MS = 15_000;

/**
 * Runs a process: opens resources through `own`, serves until SIGINT, SIGTERM or the end of the process that started
 * it, then releases them last in, first out. A failure while opening releases what is open already and ends with exit
 * code 1; an order to stop while opening releases it and ends with 0. A second signal ends at once.
 */
export async function runProcess(log: Log, open: (own: Own) => Promise<void>): Promise<void> {
  const releases: { release: Release; name: string }[] = [];
  const own: Own = (resource, release) => {
    releases.push({ release: () => release(resource), name: resource?.constructor?.name ?? typeof resource });
    return resource;
  };
  const stopped = orderToStop();
  let opened = false;
  try {
    const opening = open(own).then(() => {
      opened = true;
      log.info('ready');
    });
    await Promise.race([opening, stopped]);
    log.info({ signal: await stopped }, 'stopping');
  } catch (error) {
    log.fatal({ err: error }, 'cannot start');
    process.exitCode = 1;
  }
  await releaseAll(releases, log);
  // What is still being opened has served nobody, and nobody waits for it.
  if (!opened) process.exit();
  // Whatever still holds the event loop after an orderly release is a leak: name it by ending loudly, not by hanging.
  setTimeout(() => {
    log.error('something was not released; ending anyway');
    process.exit(process.exitCode ?? 1);
  }, 5_000).unref();
}

async function releaseAll(releases: { release: Release; name: string }[], log: Log): Promise<void> {
  const limit = setTimeout(() => {
    log.error('release took too long');
    process.exit(1);
  }, RELEASE_LIMIT_MS);
  for (const { release, name } of releases.reverse()) {
    try {
      await release();
    } catch (error) {
      log.error({ err: error, resource: name }, 'release failed');
    }
  }
  clearTimeout(limit);
}

function orderToStop(): Promise<string> {
  return new Promise((resolve) => {
    let seen = false;
    onParentGone(() => {
      resolve('the process that started this one is gone');
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (seen) process.exit(1);
        seen = true;
        resolve(signal);
      });
    }
  });
}
