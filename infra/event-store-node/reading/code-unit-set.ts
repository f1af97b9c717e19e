/** A set of UTF-16 code units, by which .NET matches text: 1 where the unit is in the set. */
export type CodeUnitSet = Uint8Array;

const UNITS = 0x10000;
/** `char.IsWhiteSpace` beside the separators of Unicode. */
const CONTROL_SPACES = [0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x85];
const CATEGORIES = new Set([
  'C',
  'Cc',
  'Cf',
  'Cn',
  'Co',
  'Cs',
  'L',
  'Ll',
  'Lm',
  'Lo',
  'Lt',
  'Lu',
  'M',
  'Mc',
  'Me',
  'Mn',
  'N',
  'Nd',
  'Nl',
  'No',
  'P',
  'Pc',
  'Pd',
  'Pe',
  'Pf',
  'Pi',
  'Po',
  'Ps',
  'S',
  'Sc',
  'Sk',
  'Sm',
  'So',
  'Z',
  'Zl',
  'Zp',
  'Zs',
]);

const known = new Map<string, CodeUnitSet>();
let lowerCase: Uint16Array | undefined;

/** A set of the units from one to another, both included. */
export function unitsBetween(from: number, to: number): CodeUnitSet {
  return new Uint8Array(UNITS).fill(1, from, to + 1);
}

/** A set of these units. */
export function unitsOf(...units: readonly number[]): CodeUnitSet {
  const set = new Uint8Array(UNITS);
  for (const unit of units) set[unit] = 1;
  return set;
}

/** What is in one of the sets. */
export function union(...sets: readonly CodeUnitSet[]): CodeUnitSet {
  const all = new Uint8Array(UNITS);
  for (const set of sets) for (let unit = 0; unit < UNITS; unit++) all[unit] = (all[unit] ?? 0) | (set[unit] ?? 0);
  return all;
}

/** What is not in the set. */
export function negated(set: CodeUnitSet): CodeUnitSet {
  return set.map((member) => 1 - member);
}

/** What is in the first set and not in the second. */
export function without(set: CodeUnitSet, other: CodeUnitSet): CodeUnitSet {
  return set.map((member, unit) => member & (1 - (other[unit] ?? 0)));
}

/** The units of a general category of Unicode, such as `Lu` or `L`; undefined for a name that is none. */
export function categoryUnits(name: string): CodeUnitSet | undefined {
  if (!CATEGORIES.has(name)) return undefined;
  const units = known.get(name) ?? tested(new RegExp(`^\\p{${name}}$`, 'u'));
  known.set(name, units);
  return units;
}

/** What .NET means by `\d`, `\s` and `\w`. */
export function shorthandUnits(letter: 'd' | 's' | 'w'): CodeUnitSet {
  const parts = { d: ['Nd'], s: ['Zs', 'Zl', 'Zp'], w: ['L', 'Mn', 'Nd', 'Pc'] }[letter];
  const units =
    known.get(letter) ??
    union(...parts.flatMap((name) => categoryUnits(name) ?? []), unitsOf(...(letter === 's' ? CONTROL_SPACES : [])));
  known.set(letter, units);
  return units;
}

function tested(expression: RegExp): CodeUnitSet {
  return new Uint8Array(UNITS).map((_, unit) => (expression.test(String.fromCharCode(unit)) ? 1 : 0));
}

/** The lower case of a unit, by itself: what has none of one unit is its own. */
export function lowerOf(unit: number): number {
  lowerCase ??= new Uint16Array(UNITS).map((_, one) => {
    const lower = String.fromCharCode(one).toLowerCase();
    return lower.length === 1 ? lower.charCodeAt(0) : one;
  });
  return lowerCase[unit] ?? unit;
}

/** The set and the lower case of all that is in it. */
export function withLowerCase(set: CodeUnitSet): CodeUnitSet {
  const both = set.slice();
  for (let unit = 0; unit < UNITS; unit++) if (set[unit] === 1) both[lowerOf(unit)] = 1;
  return both;
}

/** The units whose lower case is in the set. */
export function withLowerCaseIn(set: CodeUnitSet): CodeUnitSet {
  return set.map((_, unit) => set[lowerOf(unit)] ?? 0);
}

/** A JavaScript expression (without the flags u and v) for one unit of the set. */
export function toSource(set: CodeUnitSet): string {
  let source = '';
  for (let from = set.indexOf(1); from >= 0;) {
    const end = set.indexOf(0, from);
    const to = (end < 0 ? UNITS : end) - 1;
    source += from === to ? unitSource(from) : `${unitSource(from)}-${unitSource(to)}`;
    from = end < 0 ? -1 : set.indexOf(1, end);
  }
  return `[${source}]`;
}

/** A JavaScript expression for this unit. */
export function unitSource(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}
