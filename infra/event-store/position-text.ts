import { Position } from '../../domain/position.ts';
import { parsePosition, positionOf } from './event-store-positions.ts';

const DECIMAL = /^(\d{1,20})(?:\/(\d{1,20}))?$/;
const LARGEST = 2n ** 64n - 1n;

/**
 * A position for people: a decimal number, or two with a stroke between them where an event was written together with
 * others.
 */
export function shownPosition(position: string): string {
  const parsed = Position.safeParse(position);
  if (!parsed.success) return position;
  const { commit, prepare } = parsePosition(parsed.data);
  return commit === prepare ? String(commit) : `${String(commit)}/${String(prepare)}`;
}

/** Reads a position as people see it, or as JSON has it; undefined when the text is neither. */
export function readPosition(text: string): Position | undefined {
  const [, first, second = first] = DECIMAL.exec(text) ?? [];
  // A position of JSON may consist of digits alone, but there are 32 of them.
  if (first === undefined || second === undefined) return Position.safeParse(text).data;
  const [commit, prepare] = [BigInt(first), BigInt(second)];
  return commit > LARGEST || prepare > LARGEST ? undefined : positionOf({ commit, prepare });
}
