import pg from 'pg';

/** The channel on which a change of builds or settings is announced. */
export const BUILDS_CHANNEL = 'shutterlog_builds';

// Any number; it keeps these advisory locks apart from others in the same database.
export const LEASE_CLASS = 7_031;
const REBUILD_CLASS = 7_032;
const RELAY_CLASS = 7_033;

/**
 * The right to feed builds, held by one process at a time: advisory locks of one connection, so that they end with the
 * process, however it ends. They keep runners out of each other's way; what fences them is the checkpoint.
 */
export class Leases {
  readonly #client: pg.Client;
  readonly #held = new Set<number>();
  readonly #shared = new Set<number>();
  #lost = false;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  /**
   * Connects. `onLost` is called once when a connection that stood ends by itself: all leases are gone then. `onChange`
   * when builds or settings change.
   */
  static async open(url: string, listener: { onLost?: () => void; onChange?: () => void } = {}): Promise<Leases> {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'shutterlog-leases',
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
    });
    const leases = new Leases(client);
    let stood = false;
    const lose = () => {
      if (leases.#lost) return;
      leases.#lost = true;
      leases.#held.clear();
      leases.#shared.clear();
      // One that never stood is the business of who asked for it: told as well, it would try again without a pause.
      if (stood) listener.onLost?.();
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', () => {
      listener.onChange?.();
    });
    await client.connect();
    await client.query(`listen ${BUILDS_CHANNEL}`);
    stood = true;
    return leases;
  }

  /** Whether the connection, and with it every lease, is known to be gone. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Asks the server; false when the connection, and with it every lease, is gone or does not answer. */
  async stand(): Promise<boolean> {
    if (this.#lost) return false;
    await this.#client.query('select 1').catch(() => this.#client.end().catch(() => undefined));
    return !this.#lost;
  }

  holds(buildId: number): boolean {
    return this.#held.has(buildId);
  }

  /**
   * Takes the lease of a build if nobody else has it; `shared`, if nobody has it alone: those who share it divide its
   * lanes by other means.
   */
  async take(buildId: number, { shared }: { shared: boolean } = { shared: false }): Promise<boolean> {
    if (this.#held.has(buildId)) return true;
    const lock = shared ? 'pg_try_advisory_lock_shared' : 'pg_try_advisory_lock';
    const { rows } = await this.#client.query<{ taken: boolean }>(`select ${lock}($1, $2) as taken`, [
      LEASE_CLASS,
      buildId,
    ]);
    if (rows[0]?.taken === true && shared) this.#shared.add(buildId);
    if (rows[0]?.taken === true) this.#held.add(buildId);
    return this.#held.has(buildId);
  }

  /** Gives a lease back and wakes whoever may want it. */
  async give(buildId: number): Promise<void> {
    if (!this.#held.delete(buildId) || this.#lost) return;
    await this.#client.query(
      `select ${this.#shared.delete(buildId) ? 'pg_advisory_unlock_shared' : 'pg_advisory_unlock'}($1, $2)`,
      [LEASE_CLASS, buildId],
    );
    await this.#client.query(`notify ${BUILDS_CHANNEL}`);
  }

  /** Takes the right to rebuild a projection until the connection ends; false when another rebuild has it. */
  async takeRebuild(projection: string): Promise<boolean> {
    const { rows } = await this.#client.query<{ taken: boolean }>(
      'select pg_try_advisory_lock($1, hashtext($2)) as taken',
      [REBUILD_CLASS, projection],
    );
    return rows[0]?.taken === true;
  }

  /** Takes the right to publish the log to Kafka until the connection ends; false when another process has it. */
  async takeRelay(): Promise<boolean> {
    const { rows } = await this.#client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, 0) as taken', [
      RELAY_CLASS,
    ]);
    return rows[0]?.taken === true;
  }

  /** Gives everything back and wakes whoever may want it. */
  async close(): Promise<void> {
    if (!this.#lost)
      await this.#client.query(`select pg_advisory_unlock_all(); notify ${BUILDS_CHANNEL}`).catch(() => undefined);
    this.#lost = true;
    await this.#client.end();
  }
}
