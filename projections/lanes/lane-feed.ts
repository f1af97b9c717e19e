import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../domain/position.ts';
import type { Log } from '../../infra/process/log.ts';
import type { LaneBuild } from './lane-build.ts';
import { LANES } from '../lane-keys.ts';
import type { LaneSource } from './lane-source.ts';
import { Leases } from '../builds/leases.ts';

/** How lanes come to a process, and their events to the lanes. */
export type LaneFeed = {
  /**
   * False when lanes that were taken are no longer this process's, or not the right ones: let go of all, and take anew.
   */
  stand(): Promise<boolean>;
  /** The lanes of a build that this process is to feed; undefined when there are none for it at this moment. */
  take(buildId: number): Promise<readonly number[] | undefined>;
  give(buildId: number): Promise<void>;
  /** Hands the events of the types `handled` to these builds from now on; call it again when one is added. */
  follow(builds: () => readonly LaneBuild[], handled: ReadonlySet<string>): Promise<void>;
  /** Why nothing comes at this moment. */
  readonly trouble: string | undefined;
  close(): Promise<void>;
};

/** Opens a feed that calls `onChange` whenever it pays to look at builds and lanes again. */
export type OpenLaneFeed = (onChange: () => void) => LaneFeed;

export type LogFeedDeps = { readonly databaseUrl: string; readonly source: LaneSource; readonly log: Log };

/** With more events than this waiting in lanes, no more are taken in. */
export const WAITING_AT_MOST = 20_000;

const ALL_LANES = Array.from({ length: LANES }, (_, lane) => lane);

/** Lanes inside this process: whoever has the lease of a build feeds all its lanes, straight from the log. */
export function openLogFeed({ databaseUrl, source, log }: LogFeedDeps, onChange: () => void): LaneFeed {
  let leases: Leases | undefined;
  let following: { end: AbortController; done: Promise<void> } | undefined;
  const unfollow = async () => {
    following?.end.abort();
    await following?.done.catch(() => undefined);
    following = undefined;
  };
  return {
    stand: async () => {
      if (leases !== undefined && (await leases.stand())) return true;
      leases = await Leases.open(databaseUrl, { onLost: onChange, onChange });
      return false;
    },
    take: async (buildId) => ((await leases?.take(buildId)) === true ? ALL_LANES : undefined),
    give: async (buildId) => {
      await leases?.give(buildId);
    },
    follow: async (builds, handled) => {
      await unfollow();
      // One that comes later has not had what this subscription has handed out by then: it has to wait for its own.
      const [first, ...others] = builds();
      if (first === undefined) return;
      const open = () => [first, ...others].filter(({ closed }) => !closed);
      // From where the build that is furthest behind stands; lanes leave out what they have had.
      const after = others.reduce<Position>((low, { position }) => (position < low ? position : low), first.position);
      const end = new AbortController();
      const done = source.follow({
        after,
        handled,
        signal: end.signal,
        deliver: async (events, passed) => {
          for (const build of open()) build.deliver(events, passed);
          while (!end.signal.aborted && waitingIn(open()) > WAITING_AT_MOST) await delay(5);
        },
      });
      done.catch((error: unknown) => {
        log.error({ err: error }, 'the source of lanes failed');
      });
      following = { end, done };
    },
    // Who follows nothing is in no trouble, whatever was the matter before.
    get trouble() {
      return following === undefined ? undefined : source.trouble;
    },
    close: async () => {
      await unfollow();
      await leases?.close();
    },
  };
}

/** Events that wait in the lanes of some builds. */
export function waitingIn(builds: readonly LaneBuild[]): number {
  return builds.reduce((sum, { waiting }) => sum + waiting, 0);
}
