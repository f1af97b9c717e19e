import { z } from 'zod';

/** As much of a JSON schema as it takes to fill it in. */
export type Schema = {
  readonly type?: string | undefined;
  readonly pattern?: string | undefined;
  readonly enum?: readonly unknown[] | undefined;
  readonly anyOf?: readonly Schema[] | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  readonly items?: Schema | undefined;
  readonly minimum?: number | undefined;
};
export const Schema: z.ZodType<Schema> = z.lazy(() =>
  z.looseObject({
    type: z.string().optional(),
    pattern: z.string().optional(),
    enum: z.array(z.unknown()).optional(),
    anyOf: z.array(Schema).optional(),
    properties: z.record(z.string(), Schema).optional(),
    items: Schema.optional(),
    minimum: z.number().optional(),
  }),
);

/** Texts that stores, parsers and terminals choke on. */
export const TEXTS: readonly string[] = [
  '',
  '\u0000',
  'a\u0000b',
  '\ud800',
  'a\udfffb',
  '\u202egnp',
  '\u200b\u2800',
  '\uffff',
  `a${'\u0301'.repeat(500)}`,
  '👨‍👩‍👧‍👦'.repeat(3_000),
  'x'.repeat(50_000),
  '0000-01-01T00:00:00Z',
  '-9223372036854775809',
  'NaN',
  '1e999',
  "';--",
  '%00',
  '../../etc/passwd',
  '__proto__',
  '{"a":1}',
];
export const NUMBERS: readonly number[] = [
  0,
  -1,
  -0,
  0.5,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  1e308,
  -1e308,
  5e-324,
];
const SHAPES: readonly unknown[] = [
  null,
  true,
  [],
  {},
  [[[[null]]]],
  Array.from({ length: 5_000 }, () => 0),
  { 'a\u0000': 1 },
  { constructor: { prototype: 1 } },
];
const VALUES: readonly unknown[] = [...TEXTS, ...NUMBERS, ...SHAPES];

/** The same, as parts of an address: percent-encoded, with bytes that no UTF-8 has. */
export const ENCODED: readonly string[] = [
  '%00',
  'a%00b',
  '%ED%A0%80',
  '%FF%FE',
  '%C0%80',
  '%',
  '%E0%A4%A',
  '%0D%0ASet-Cookie:x',
  'x'.repeat(6_000),
  ...TEXTS.filter((text) => text !== '' && text.length < 1_000).map((text) => encodeURIComponent(text.toWellFormed())),
  ...NUMBERS.map(String),
];

/** Whole bodies that are no JSON, or too much of it. */
export const RAW_BODIES: readonly string[] = [
  '',
  ' ',
  'null',
  '0',
  '""',
  '[]',
  '{',
  '{"a":',
  '\u0000',
  '{"a":1e999}',
  '[1,]',
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  JSON.stringify('x'.repeat(200_000)),
  JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${String(i)}`, i]))),
  '{"__proto__":{"text":"x"}}',
];

/** Headers that carry a place in the log, or the name of a request. */
export const HEADERS: readonly Readonly<Record<string, string>>[] = [
  ...[
    [1, '00000000-0000-0000-0000-000000000000', 'f'.repeat(32), 'all'],
    [1, '\u0000', '\u0000', ['\u0000']],
    [2],
    {},
    [[[[[[]]]]]],
    [1, 'x', -1, Array.from({ length: 500 }, () => 'acc_x')],
  ].map((token) => ({ 'Consistency-Token': Buffer.from(JSON.stringify(token)).toString('base64url') })),
  { 'Consistency-Token': ',,, ,' },
  { 'Consistency-Token': 'x'.repeat(6_000) },
  { 'Consistency-Token': Buffer.from('['.repeat(3_000)).toString('base64url') },
  { 'Idempotency-Key': 'x'.repeat(201) },
  { 'Idempotency-Key': '\u00ff' },
  { 'Idempotency-Key': 'a b' },
  { 'X-Request-Id': 'x'.repeat(5_000) },
  { traceparent: '00-x' },
  { 'X-Operator-Token': 'x.y.z' },
  { Authorization: 'Bearer' },
  { Authorization: `Bearer ${'x'.repeat(6_000)}` },
  { Authorization: 'Basic \u00ff' },
  { Accept: '*/*;q=\u00ff' },
];

const SESSION = '7f1c9a1e-8f2b-4a57-9c56-0c8f6a1f2b3c';
const AT = '2026-01-01T00:00:00.000Z';
/** A place of each kind of list, as its cursor holds it (`read-api/routes`). */
const PLACES: readonly Readonly<Record<string, unknown>>[] = [
  { at: AT, id: 'x', session: SESSION },
  { rank: 1, weight: 1, id: 'x' },
  { score: 1, tag: 'x', as_of: AT },
  { mutuals: 1, followers: 1, id: 'acc_01h2xcejqtf2nbrexx3vqjhp41' },
  { unseen: true, at: 1, close: 1, author: 'acc_01h2xcejqtf2nbrexx3vqjhp41' },
  { order: 'kept', session: SESSION, taken: 'AA', oldest: { at: 1, id: 'x' } },
  { order: 'latest', session: SESSION, after: { at: 1, id: 'x' } },
];
const PARTS: readonly unknown[] = [
  '\u0000',
  '\ud800',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  -1,
  2 ** 53 - 1,
  -(2 ** 53),
  1e308,
  null,
  { at: 1e300, id: '\u0000' },
  { at: -(2 ** 53), id: 'x' },
];

/** Cursors of every kind, each with one part that no page of ours has. */
export function forgedCursors(): string[] {
  const places = PLACES.flatMap((place) => [
    place,
    ...Object.keys(place).flatMap((key) => PARTS.map((part) => ({ ...place, [key]: part }))),
  ]);
  const texts = [...places, '\u0000', 'acc_\u0000', 0, null, []].map((place) => JSON.stringify(place));
  return [...texts, '['.repeat(700), '{"at":1e999}'].map((json) => Buffer.from(json).toString('base64url'));
}

/** A value that a schema takes, as far as its type tells. */
export function exampleOf(schema: Schema, given: (pattern: string) => string | undefined): unknown {
  const [first] = schema.anyOf ?? [];
  if (first !== undefined) return exampleOf(first, given);
  if (schema.enum !== undefined) return schema.enum[0];
  const { type, properties, items } = schema;
  if (properties !== undefined)
    return Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, exampleOf(field, given)]));
  if (type === 'array') return items === undefined ? [] : [exampleOf(items, given)];
  return exampleOfOne(schema) ?? given(schema.pattern ?? '') ?? 'some text';
}

function exampleOfOne({ type, minimum = 1 }: Schema): unknown {
  if (type === 'integer' || type === 'number') return Math.max(1, minimum);
  return type === 'boolean' ? true : undefined;
}

/** `example` of `schema` again and again, with one field at any depth hostile in each. */
export function variantsOf(schema: Schema, example: unknown): unknown[] {
  const { properties, items } = schema.anyOf?.[0] ?? schema;
  const inside = z.record(z.string(), z.unknown()).safeParse(example);
  if (properties !== undefined && inside.success) {
    return [
      ...VALUES,
      ...Object.entries(properties).flatMap(([name, field]) =>
        variantsOf(field, inside.data[name]).map((value) => ({ ...inside.data, [name]: value })),
      ),
    ];
  }
  return items !== undefined && Array.isArray(example)
    ? [...VALUES, ...variantsOf(items, example[0]).map((value) => [value])]
    : [...VALUES];
}
