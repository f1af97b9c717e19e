import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Changes, ChangesHeard } from '../process/invalidation-source.ts';
import type { RedisClient } from './redis.ts';

const CHANNEL = '__redis__:invalidate';
const BEAT_MS = 1_000;
/** A connection that has not answered for so long may have lost what it was told. */
const SILENT_MS = 3_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Has Redis itself remember which keys a client reads and tell, once for each reading, when one of them changes
 * (client-side caching, over a second connection). What the client writes itself is not told. Keys must be without
 * commas.
 */
export class KeyWatch implements ChangesHeard {
  readonly #reads: Redis;
  readonly #hears: Redis;
  readonly #listeners: ((keys: Changes) => void)[] = [];
  readonly #closing = new AbortController();
  #heardAt = -Infinity;
  #tracking = false;
  #attempts = 0;
  #refusals = 0;
  #beating: Promise<void>;

  private constructor(reads: Redis) {
    this.#reads = reads;
    // In the older protocol, in which Redis tells of changed keys by a message; the client passes over the newer one's
    // notice.
    this.#hears = reads.duplicate({ autoResubscribe: false, protocol: 2 });
    this.#hears.on('error', () => undefined);
    this.#hears.on('message', (_channel, keys) => {
      this.#tell(keys === '' ? 'all' : keys.split(','));
    });
    for (const client of [this.#reads, this.#hears]) {
      client.on('ready', this.#begin);
      client.on('close', this.#lose);
    }
    this.#begin();
    this.#beating = this.#beat();
  }

  /** Watches what `client` reads; undefined for a cluster, whose servers would each need a connection of their own. */
  static over(client: RedisClient): KeyWatch | undefined {
    return client instanceof Redis ? new KeyWatch(client) : undefined;
  }

  get complete(): boolean {
    return this.#tracking && performance.now() - this.#heardAt < SILENT_MS;
  }

  onChanges(listener: (keys: Changes) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#reads.off('ready', this.#begin);
    this.#reads.off('close', this.#lose);
    this.#lose();
    this.#hears.disconnect();
    await this.#beating;
  }

  readonly #begin = (): void => {
    const attempt = (this.#attempts += 1);
    if (this.#reads.status !== 'ready' || this.#hears.status !== 'ready') return;
    this.#track(attempt).catch(() => this.#beginAnew(attempt));
  };

  /** A server that refuses (an old one, a proxy, missing rights) is asked less and less often. */
  async #beginAnew(attempt: number): Promise<void> {
    this.#refusals += 1;
    await delay(Math.min(100 * 2 ** this.#refusals, LONGEST_PAUSE_MS), undefined, {
      signal: this.#closing.signal,
    }).catch(() => undefined);
    if (attempt === this.#attempts && !this.#closing.signal.aborted) this.#hears.disconnect(true);
  }

  async #track(attempt: number): Promise<void> {
    // A connection that listens may not ask for its own number any more.
    await this.#hears.unsubscribe();
    const id = await this.#hears.call('CLIENT', 'ID');
    await this.#hears.subscribe(CHANNEL);
    await this.#reads.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'NOLOOP');
    if (attempt !== this.#attempts) return;
    this.#refusals = 0;
    this.#heardAt = performance.now();
    this.#tracking = true;
    this.#tell('all');
  }

  readonly #lose = (): void => {
    this.#attempts += 1;
    this.#tracking = false;
    this.#tell('all');
  };

  async #beat(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await delay(BEAT_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      if (!this.#tracking) continue;
      const asked = performance.now();
      await Promise.all([this.#hears.ping(), this.#reads.ping()]).then(
        () => {
          this.#heardAt = asked;
        },
        () => undefined,
      );
    }
  }

  #tell(keys: Changes): void {
    for (const listener of this.#listeners) listener(keys);
  }
}
