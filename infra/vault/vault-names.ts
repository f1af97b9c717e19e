import { createHmac, createSecretKey } from 'node:crypto';

/**
 * Keyed hashes of what identifies a person, for stream names and look-ups: without the key nobody can try out names.
 */
export type NameHashes = {
  /** `name` may be written in any case. */
  username(name: string): string;
  email(address: string): string;
};

/** Hashes with a 32-byte key that never changes: another key would lose every reservation. */
export function nameHashes(rawKey: Buffer): NameHashes {
  const key = createSecretKey(rawKey);
  const hash = (kind: string, text: string) =>
    createHmac('sha256', key)
      .update(`${kind}\0${text.trim().toLowerCase().normalize('NFC')}`)
      .digest('hex');
  return { username: (name) => hash('username', name), email: (address) => hash('email', address) };
}
