import type { Log } from '../process/log.ts';

/** The network of caches in front of the media files. */
export type Cdn = {
  /**
   * Has the caches forget every file whose address begins with one of these paths. A rejection means that they may
   * still know them.
   */
  purge(paths: readonly string[]): Promise<void>;
};

/** No network: what would be purged is said in the log. */
export function logCdn(log: Log): Cdn {
  return {
    purge: (paths) => {
      log.info({ paths }, 'no CDN is set up: nothing to purge');
      return Promise.resolve();
    },
  };
}

const LIMIT_MS = 10_000;

/**
 * A network, or something that speaks for it, that takes `{"prefixes": [...]}` by POST at `url` and answers 2xx.
 * Anything else is a rejection: another answer, a redirect (which would turn the POST into a GET), none within
 * `limitMs` (10 s).
 */
export function webhookCdn(url: string, { limitMs = LIMIT_MS }: { limitMs?: number } = {}): Cdn {
  return {
    purge: async (prefixes) => {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ prefixes }),
        redirect: 'error',
        signal: AbortSignal.timeout(limitMs),
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`the CDN answered a purge with ${String(answer.status)}`);
    },
  };
}
