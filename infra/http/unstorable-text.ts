import { JSON_DEPTH_AT_MOST } from './json-depth.ts';
import type { FieldError } from './problem.ts';

type Found = { readonly path: string; readonly message: string };

/**
 * The texts in some input that no store of ours can hold, wherever they are: databases refuse the zero character, and
 * an unpaired surrogate has no bytes of its own. Looks into lists and plain objects, keys included; stops at the first
 * few.
 */
export function unstorableTexts(input: unknown, path = ''): FieldError[] {
  return [...search(input, path, 0)].slice(0, ENOUGH);
}

const ENOUGH = 5;

function* search(input: unknown, path: string, depth: number): Generator<Found> {
  if (typeof input === 'string') {
    if (!isStorable(input))
      yield { path, message: 'must be valid text: it has a zero character or half of a surrogate pair' };
    return;
  }
  if (depth > JSON_DEPTH_AT_MOST || !isSearched(input)) return;
  for (const [key, value] of Object.entries(input)) {
    if (isStorable(key)) yield* search(value, path === '' ? key : `${path}.${key}`, depth + 1);
    else yield { path, message: 'must not have a field whose name has a zero character or half of a surrogate pair' };
  }
}

/** Whether a database can hold a text as it is. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

// Lists and plain objects: a form's files are of a class, made by us.
function isSearched(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
