import { z } from 'zod';

const personalFields = z.registry<{ personal: true }>();

/**
 * Marks a top-level field of an event as personal data: sealed with the data key of the event's `subject` before it
 * enters the log. After the account is erased the field reads null, so every reader must allow for null.
 */
export function personal<S extends z.ZodType>(schema: S): z.ZodNullable<S> {
  const field = schema.nullable();
  personalFields.add(field, { personal: true });
  return field;
}

/** Lifts stored data of schema version `from` to version `from` + 1. Pure; sees opened personal data. */
export type Upcaster = {
  readonly from: number;
  readonly lift: (data: Record<string, unknown>) => Record<string, unknown>;
};

/** One event type at its newest schema version. */
export type EventDefinition<T extends string = string, S extends z.ZodObject = z.ZodObject> = {
  readonly type: T;
  /** One sentence for docs/events.md: what happened in the world. */
  readonly says: string;
  readonly version: number;
  readonly schema: S;
  /** The field with the account whose data key seals the personal fields; absent when there are none. */
  readonly subject: string | undefined;
  /** Names of the personal fields, read off the schema. */
  readonly personal: readonly string[];
  readonly upcasters: readonly Upcaster[];
};

type Definition<T extends string, Shape extends z.ZodRawShape> = {
  type: T;
  says: string;
  data: Shape;
  subject?: keyof Shape & string;
  version?: number;
  upcasters?: readonly Upcaster[];
};

// An optional personal field is wrapped; the mark sits on what it wraps.
function isPersonal(field: z.core.$ZodType): boolean {
  if (field instanceof z.ZodOptional) return isPersonal(field.unwrap());
  return field instanceof z.ZodType && personalFields.has(field);
}

/** Declares an event type. Throws at start-up when personal fields have no subject, or versions have no upcaster. */
export function defineEvent<const T extends string, Shape extends z.ZodRawShape>(
  definition: Definition<T, Shape>,
): EventDefinition<T, z.ZodObject<Shape>> {
  const { type, says, data, subject, version = 1, upcasters = [] } = definition;
  const personalNames = Object.entries(data)
    .filter(([, field]) => isPersonal(field))
    .map(([name]) => name);
  if (personalNames.length > 0 && subject === undefined) throw new Error(`${type} has personal fields but no subject`);
  if (upcasters.length !== version - 1 || upcasters.some(({ from }, i) => from !== i + 1))
    throw new Error(`${type} version ${version} needs ${version - 1} upcasters, one from each older version in order`);
  return { type, says, version, schema: z.object(data), subject, personal: personalNames, upcasters };
}

/** The TypeScript type of an event, from its definition. */
export type EventOf<D> =
  D extends EventDefinition<infer T, infer S> ? { readonly type: T; readonly data: z.infer<S> } : never;

/** The type names of some definitions, for a decider's or a projection's list of what it handles. */
export function typesOf<T extends string>(definitions: readonly EventDefinition<T>[]): readonly T[] {
  return definitions.map(({ type }) => type);
}
