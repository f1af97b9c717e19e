import type { Kafka } from 'kafkajs';
import { Position } from '../../domain/position.ts';
import type { EventStore } from '../../infra/event-store/event-store.ts';
import { joinGroup, type Member } from '../../infra/kafka/kafka-group.ts';
import type { Log } from '../../infra/process/log.ts';
import type { DataKeys } from '../../infra/vault/personal-data.ts';
import { describe } from '../failures.ts';
import { GapReader } from './kafka-lanes-gaps.ts';
import { LanePump } from './kafka-lanes-pump.ts';
import type { LaneBuild } from '../lanes/lane-build.ts';
import type { LaneFeed } from '../lanes/lane-feed.ts';
import { Leases } from '../builds/leases.ts';
import { domainEventsTopic } from './relay-message.ts';

export type KafkaFeedDeps = {
  readonly kafka: Kafka;
  /** Before the names of the topic and the group. */
  readonly prefix: string;
  readonly databaseUrl: string;
  readonly store: Pick<EventStore, 'storeId' | 'readAll' | 'head'>;
  readonly keys: DataKeys;
  readonly log: Log;
  readonly sessionMs?: number;
};

/** A feed that tells how many messages wait for this process in Kafka. */
export type KafkaFeed = LaneFeed & { readonly behind: number };

const COMMIT_EVERY_MS = 500;

/**
 * Lanes divided among all processes of a consumer group: a process feeds, in every build, the lanes of the partitions
 * that are assigned to it. Where a lane goes on from is its own position; offsets only spare reading. What Kafka does
 * not tell of is read from the log.
 */
export function openKafkaFeed(deps: KafkaFeedDeps, onChange: () => void): KafkaFeed {
  return new GroupFeed(deps, onChange);
}

class GroupFeed implements KafkaFeed {
  readonly #deps: KafkaFeedDeps;
  readonly #onChange: () => void;
  readonly #member: Member;
  readonly #gaps: GapReader;
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #pumps = new Map<number, LanePump>();
  #builds: () => readonly LaneBuild[] = () => [];
  #handled: ReadonlySet<string> = new Set();
  #leases: Leases | undefined;
  /** The lanes changed since builds were taken. */
  #moved = false;
  #committing: Promise<void> = Promise.resolve();

  constructor(deps: KafkaFeedDeps, onChange: () => void) {
    this.#deps = deps;
    this.#onChange = onChange;
    this.#gaps = new GapReader({ ...deps, handled: () => this.#handled, signal: this.#closing.signal });
    this.#member = joinGroup({
      ...deps,
      topic: domainEventsTopic(deps.prefix),
      groupId: `${deps.prefix}lanes`,
      onAssigned: (lanes) => {
        this.#assign(lanes);
      },
      onNotes: (notes) => {
        for (const [lane, pump] of this.#pumps) pump.start(placeIn(notes.get(lane)));
      },
      onMessages: (lane, messages, highWatermark) => {
        this.#pumps.get(lane)?.push(messages, highWatermark);
      },
    });
    this.#timer = setInterval(() => {
      this.#commitSoon();
    }, COMMIT_EVERY_MS);
  }

  get trouble(): string | undefined {
    const kafka = this.#member.trouble;
    return kafka === undefined
      ? [...this.#pumps.values()].flatMap(({ trouble }) => trouble ?? []).at(0)
      : `Kafka: ${kafka}`;
  }

  get behind(): number {
    return [...this.#pumps.values()].reduce((sum, { behind }) => sum + behind, 0);
  }

  async stand(): Promise<boolean> {
    const moved = this.#moved;
    this.#moved = false;
    if (this.#leases !== undefined && (await this.#leases.stand())) return !moved;
    this.#leases = await Leases.open(this.#deps.databaseUrl, { onLost: this.#onChange, onChange: this.#onChange });
    return false;
  }

  // The lease keeps away who would feed the whole build alone.
  async take(buildId: number): Promise<readonly number[] | undefined> {
    const lanes = [...this.#pumps.keys()];
    return lanes.length > 0 && (await this.#leases?.take(buildId, { shared: true })) === true ? lanes : undefined;
  }

  async give(buildId: number): Promise<void> {
    await this.#leases?.give(buildId);
  }

  async follow(builds: () => readonly LaneBuild[], handled: ReadonlySet<string>): Promise<void> {
    if (builds().length === 0) await this.#commit();
    this.#builds = builds;
    this.#handled = handled;
    for (const pump of this.#pumps.values()) pump.wake();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    await Promise.all([...this.#pumps.values()].map((pump) => pump.close()));
    await this.#member.close();
    await this.#leases?.close();
  }

  // With the same lanes as before everything goes on: what comes twice is left out.
  #assign(lanes: readonly number[]): void {
    if (lanes.length === this.#pumps.size && lanes.every((lane) => this.#pumps.has(lane))) return;
    for (const pump of this.#pumps.values()) void pump.close();
    this.#pumps = new Map(lanes.map((lane) => [lane, this.#openPump(lane)]));
    this.#moved = true;
    this.#deps.log.info({ lanes: lanes.length }, 'the consumer group has divided the lanes anew');
    this.#onChange();
  }

  #openPump(lane: number): LanePump {
    const { store, keys, log } = this.#deps;
    return new LanePump(lane, {
      storeId: store.storeId,
      keys,
      log,
      gaps: this.#gaps,
      // Builds of the division before may still be open.
      builds: () => (this.#moved ? [] : this.#builds()),
      handled: () => this.#handled,
      pause: () => {
        this.#member.pause(lane);
      },
      resume: () => {
        this.#member.resume(lane);
      },
    });
  }

  #commitSoon(): void {
    this.#committing = this.#committing.then(() => this.#commit());
  }

  async #commit(): Promise<void> {
    const marks = [...this.#pumps.values()].flatMap((pump) => pump.takeMark() ?? []);
    try {
      await this.#member.commit(marks);
    } catch (error) {
      // The next mark says it again; until then the lanes' own positions hold.
      this.#deps.log.debug({ err: error }, `offsets were not committed: ${describe(error)}`);
    }
  }
}

/** Up to where everything lies before what comes, as far as it was ever noted. */
function placeIn(note: string | undefined): Position | undefined {
  return Position.safeParse(note).data;
}
