import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { EventDefinition } from '../../domain/event-definition.ts';
import type { Json, JsonObject, RecordedEvent } from '../../domain/recorded-event.ts';

/** A data key of 32 bytes, or null when it was emptied because its account is erased. */
export type DataKey = Buffer | null;

/**
 * Looks up the data keys of accounts. A key that is missing from the vault, or cannot be unwrapped, is an error: a
 * wrong master key must stop the program instead of making everybody look erased.
 */
export type DataKeys = { forAccounts(accountIds: ReadonlySet<string>): Promise<ReadonlyMap<string, DataKey>> };

/**
 * A sealed field as it stands in the log: whose key seals it, then base64 of nonce (12), tag (16) and AES-256-GCM
 * ciphertext.
 */
const Sealed = z.object({ $sealed: z.string(), v: z.string() });

/**
 * Seals the personal fields of one event with its subject's key. A null field stays null. Throws when the account is
 * erased.
 */
export function sealPersonalData(definition: EventDefinition, data: JsonObject, key: DataKey): JsonObject {
  if (definition.personal.length === 0) return data;
  const subject = subjectOf(definition, data);
  if (key === null) throw new Error(`${definition.type}: the data key of ${subject} has been emptied`);
  const sealed = { ...data };
  for (const field of definition.personal) {
    const value = data[field];
    if (value !== undefined && value !== null) sealed[field] = seal(value, subject, key);
  }
  return sealed;
}

/** The account whose key seals the event, or undefined when it has no personal fields. */
export function sealingAccount(definition: EventDefinition, data: JsonObject): string | undefined {
  return definition.personal.length === 0 ? undefined : subjectOf(definition, data);
}

/** Opens the sealed fields of a batch with one look-up of keys; fields of erased accounts become null. */
export async function openPersonalData(events: readonly RecordedEvent[], keys: DataKeys): Promise<RecordedEvent[]> {
  const accounts = new Set<string>();
  const sealedFields = events.map((event) => findSealed(event.data, accounts));
  if (accounts.size === 0) return [...events];
  const known = await keys.forAccounts(accounts);
  return events.map((event, i) => {
    const fields = sealedFields[i];
    if (fields === undefined || fields.length === 0) return event;
    const opened: Record<string, unknown> = { ...(event.data as object) };
    for (const { name, sealed } of fields) opened[name] = open(sealed, known.get(sealed.$sealed));
    return { ...event, data: opened };
  });
}

type SealedField = { name: string; sealed: z.infer<typeof Sealed> };

function findSealed(data: unknown, accounts: Set<string>): SealedField[] {
  if (typeof data !== 'object' || data === null) return [];
  const found: SealedField[] = [];
  for (const [name, value] of Object.entries(data)) {
    if (typeof value !== 'object' || value === null || !('$sealed' in value)) continue;
    const sealed = Sealed.parse(value);
    accounts.add(sealed.$sealed);
    found.push({ name, sealed });
  }
  return found;
}

function subjectOf(definition: EventDefinition, data: JsonObject): string {
  return z.string().parse(definition.subject === undefined ? undefined : data[definition.subject]);
}

function seal(value: Json, subject: string, key: Buffer): JsonObject {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', prepared(key), nonce);
  cipher.setAAD(Buffer.from(subject));
  const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
  return { $sealed: subject, v: Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64') };
}

function open(sealed: z.infer<typeof Sealed>, key: DataKey | undefined): unknown {
  if (key === undefined) throw new Error(`no data key for ${sealed.$sealed} in the vault`);
  if (key === null) return null;
  const bytes = Buffer.from(sealed.v, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', prepared(key), bytes.subarray(0, 12));
  decipher.setAAD(Buffer.from(sealed.$sealed));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8'));
}

const preparedKeys = new WeakMap<Buffer, KeyObject>();

// Node takes longer to find out what a raw key is than to use it for a short text.
function prepared(key: Buffer): KeyObject {
  const known = preparedKeys.get(key) ?? createSecretKey(key);
  preparedKeys.set(key, known);
  return known;
}
