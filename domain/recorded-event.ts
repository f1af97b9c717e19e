import type { Position } from './position.ts';

/** Any JSON value, as it stands in the log. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** An event as the store hands it out: not yet parsed, personal data still sealed. */
export type RecordedEvent = {
  readonly streamId: string;
  /** 0 for the first event of its stream. */
  readonly revision: bigint;
  readonly position: Position;
  /** UUID, chosen by the writer. */
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: unknown;
  readonly createdAt: Date;
};
