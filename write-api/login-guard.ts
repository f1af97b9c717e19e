import { tooMany } from '../infra/http/access.ts';
import type { Limits } from '../infra/redis/rate-limit.ts';
import type { NameHashes } from '../infra/vault/vault-names.ts';

export type LoginGuard = { readonly limits: Limits; readonly names: NameHashes };
type Attempt = { readonly username: string; readonly address: string; readonly operator: boolean };

/**
 * Bounds how often a password may be wrong for one name from one address, whether the name exists or not, and from one
 * address for all names. The try is drawn before the work and given back when the work succeeds. Throws a 429 problem
 * when none is left.
 */
export async function guardLogin<T extends { readonly ok: boolean }>(
  { limits, names }: LoginGuard,
  { username, address, operator }: Attempt,
  work: () => Promise<T>,
): Promise<T> {
  if (operator) return work();
  const attempt = { name: names.username(username), address };
  const state = await limits.takeLogin(attempt);
  if (state?.allowed === false) throw tooMany(state);
  const result = await work();
  if (result.ok) await limits.giveBackLogin(attempt);
  return result;
}
