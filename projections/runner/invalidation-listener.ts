import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Changes, ChangesHeard } from '../../infra/process/invalidation-source.ts';
import { CHANGES_CHANNEL, readAnnouncement } from './invalidation.ts';

/**
 * What is listened to: how often it is tried whether announcements come, and after how long without one some may be
 * lost.
 */
export type Listening = { readonly channel: string; readonly beatMs: number; readonly silentMs: number };

const TO_MODELS: Listening = { channel: CHANGES_CHANNEL, beatMs: 1_000, silentMs: 3_000 };
const LONGEST_PAUSE_MS = 5_000;

/**
 * Listens on a connection of its own to the server that announces, by default what changed in the models, and connects
 * again when it is lost.
 */
export class ChangesListener implements ChangesHeard {
  readonly #url: string;
  readonly #listening: Listening;
  readonly #listeners: ((changes: Changes) => void)[] = [];
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #heardAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(url: string, listening: Listening = TO_MODELS) {
    this.#url = url;
    this.#listening = listening;
  }

  get complete(): boolean {
    return performance.now() - this.#heardAt < this.#listening.silentMs;
  }

  onChanges(listener: (changes: Changes) => void): void {
    this.#listeners.push(listener);
  }

  /** Connects, in the background and until it is closed. */
  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#heardAt = -Infinity;
    await this.#client?.end().catch(() => undefined);
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closing.signal.aborted; failures += 1) {
      const heard = await this.#listen().catch(() => false);
      if (heard) failures = 0;
      await this.#pause(Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS));
    }
  }

  /** Resolves when the connection is gone: true if it had been listening. */
  async #listen(): Promise<boolean> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'shutterlog-changes',
      connectionTimeoutMillis: 5_000,
      query_timeout: 2_000,
      keepAlive: true,
    });
    const gone = new Promise<void>((resolve) => {
      client.once('end', resolve);
      client.once('error', () => {
        resolve();
      });
    });
    client.on('error', () => undefined);
    const beat = `shutterlog_beat_${randomUUID().replaceAll('-', '')}`;
    let asked = -Infinity;
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === beat) this.#heardAt = asked;
      else this.#tell(readAnnouncement(payload));
    });
    this.#client = client;
    try {
      await client.connect();
      await client.query(`listen ${this.#listening.channel}; listen ${beat}`);
      this.#tell('all');
      let lost = false;
      void gone.then(() => {
        lost = true;
      });
      for (;;) {
        // That an answer comes would show the connection alone: a pooler in between may listen on another.
        asked = performance.now();
        await client.query(`notify ${beat}`);
        if (lost || this.#closing.signal.aborted) return true;
        await Promise.race([this.#pause(this.#listening.beatMs), gone]);
      }
    } finally {
      this.#heardAt = -Infinity;
      this.#tell('all');
      await client.end().catch(() => undefined);
    }
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }

  #tell(changes: Changes): void {
    for (const listener of this.#listeners) listener(changes);
  }
}
