import type { Position } from '../../domain/position.ts';

/** The client's form of a position. */
export function parsePosition(position: Position): { commit: bigint; prepare: bigint } {
  return { commit: BigInt(`0x${position.slice(0, 16)}`), prepare: BigInt(`0x${position.slice(16)}`) };
}

/** The program's form of a position. */
export function positionOf({ commit, prepare }: { commit: bigint; prepare: bigint }): Position {
  const first = hex(commit);
  const text = first + (prepare === commit ? first : hex(prepare));
  if (!isPosition(text)) throw new Error(`${text} is no position`);
  return text;
}

// For every event that is read: the schema itself takes four times as long as its expression.
const isPosition = (text: string): text is Position => /^[0-9a-f]{32}$/.test(text);
const hex = (value: bigint) => value.toString(16).padStart(16, '0');
