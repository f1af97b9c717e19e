import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Seals small secrets for the vault; `purpose` binds a sealed value to the row that it belongs to. */
export type Wrapping = {
  wrap(secret: Buffer, purpose: string): Buffer;
  /** Throws when the value was sealed with another key or for another purpose. */
  unwrap(wrapped: Buffer, purpose: string): Buffer;
};

/** AES-256-GCM with a 32-byte master key; a sealed value is nonce (12), tag (16), ciphertext. */
export function masterKeyWrapping(masterKey: Buffer): Wrapping {
  if (masterKey.length !== 32) throw new Error('the master key must have 32 bytes');
  return {
    wrap(secret, purpose) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', masterKey, nonce);
      cipher.setAAD(Buffer.from(purpose));
      const text = Buffer.concat([cipher.update(secret), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]);
    },
    unwrap(wrapped, purpose) {
      const decipher = createDecipheriv('aes-256-gcm', masterKey, wrapped.subarray(0, 12));
      decipher.setAAD(Buffer.from(purpose));
      decipher.setAuthTag(wrapped.subarray(12, 28));
      return Buffer.concat([decipher.update(wrapped.subarray(28)), decipher.final()]);
    },
  };
}
