import {
  categoryUnits,
  negated,
  shorthandUnits,
  union,
  unitsBetween,
  unitsOf,
  withLowerCase,
  without,
} from './code-unit-set.ts';
import type { CodeUnitSet } from './code-unit-set.ts';
import type { PatternScanner } from './pattern-scanner.ts';

const HYPHEN = 0x2d;

/** A shorthand such as `\d` or `\p{L}`, whose letter was taken; undefined for a letter that is none. */
export function shorthandSet(scanner: PatternScanner, letter: string, ignoreCase: boolean): CodeUnitSet | undefined {
  switch (letter) {
    case 'd':
    case 's':
    case 'w':
      return shorthandUnits(letter);
    case 'D':
      return negated(shorthandUnits('d'));
    case 'S':
      return negated(shorthandUnits('s'));
    case 'W':
      return negated(shorthandUnits('w'));
    case 'p':
      return propertySet(scanner, ignoreCase);
    case 'P':
      return negated(propertySet(scanner, ignoreCase));
    default:
      return undefined;
  }
}

function propertySet(scanner: PatternScanner, ignoreCase: boolean): CodeUnitSet {
  const name = scanner.match(/\{([^{}]*)\}/y)?.[1] ?? scanner.refuse('\\p is not followed by a name in braces');
  const names = ignoreCase && ['Lu', 'Ll', 'Lt'].includes(name) ? ['Lu', 'Ll', 'Lt'] : [name];
  const sets = names.map(
    (one) =>
      categoryUnits(one) ?? scanner.refuse(`\\p{${name}} is no general category of Unicode; blocks are not supported`),
  );
  return union(...sets);
}

/** What a class consists of while it is read. */
interface OpenClass {
  readonly parts: CodeUnitSet[];
  readonly plain: CodeUnitSet[];
  subtracted: CodeUnitSet | undefined;
}

/**
 * Reads a character class whose opening bracket was taken. With `ignoreCase` it is the set that the lower case of a
 * text is compared with, as .NET does it.
 */
export function scanClass(scanner: PatternScanner, ignoreCase: boolean): CodeUnitSet {
  const isNegated = scanner.match(/\^/y) !== undefined;
  const open: OpenClass = { parts: [], plain: [], subtracted: undefined };
  for (let first = true; ; first = false) {
    if (scanner.atEnd) scanner.refuse('a character class is not closed');
    if (!first && scanner.match(/\]/y) !== undefined) break;
    scanMember(scanner, open, { first, ignoreCase });
    if (open.subtracted !== undefined && scanner.peek() !== ']')
      scanner.refuse('a subtraction must be the last thing in its class');
  }
  const plain = union(...open.plain);
  const members = union(...open.parts, ignoreCase ? withLowerCase(plain) : plain);
  const signed = isNegated ? negated(members) : members;
  return open.subtracted === undefined ? signed : without(signed, open.subtracted);
}

function scanMember(
  scanner: PatternScanner,
  open: OpenClass,
  { first, ignoreCase }: { first: boolean; ignoreCase: boolean },
): void {
  if (!first && scanner.match(/-\[/y) !== undefined) {
    open.subtracted = scanClass(scanner, ignoreCase);
    return;
  }
  const from = scanUnit(scanner, ignoreCase);
  if (typeof from !== 'number') {
    open.parts.push(from);
    return;
  }
  if (scanner.peek() !== '-' || scanner.peek(1) === ']' || scanner.peek(1) === '') {
    open.plain.push(unitsOf(from));
    return;
  }
  scanner.take();
  if (scanner.match(/\[/y) !== undefined) {
    open.plain.push(unitsOf(from));
    open.subtracted = scanClass(scanner, ignoreCase);
    return;
  }
  const to = scanUnit(scanner, ignoreCase);
  if (typeof to !== 'number') scanner.refuse('a shorthand cannot end a range');
  if (to < from) scanner.refuse('a range is in reverse order');
  open.plain.push(unitsBetween(from, to));
}

/** One unit, or the set that a shorthand stands for. */
function scanUnit(scanner: PatternScanner, ignoreCase: boolean): number | CodeUnitSet {
  // .NET reads [:word:] inside a class and makes nothing of it, which nobody can have meant.
  if (scanner.peek() === '[' && scanner.peek(1) === ':') scanner.refuse('POSIX classes are not supported');
  const character = scanner.take();
  if (character !== '\\') return character.charCodeAt(0);
  if (scanner.match(/b/y) !== undefined) return 0x08;
  // A hyphen behind a backslash never begins a range.
  if (scanner.match(/-/y) !== undefined) return unitsOf(HYPHEN);
  const letter = scanner.peek();
  if (!/[dDsSwWpP]/.test(letter)) return scanner.escapedUnit();
  scanner.take();
  return shorthandSet(scanner, letter, ignoreCase) ?? scanner.refuse(`\\${letter} means nothing`);
}
