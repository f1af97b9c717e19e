import { describe, expect, it } from 'vitest';
import { createPasswords, TooManyHashesError } from './passwords.ts';

const cheap = { memoryCost: 1_024, timeCost: 1, parallelism: 1 };

describe('passwords', () => {
  it('are hashed by argon2id and fit only themselves', async () => {
    const passwords = await createPasswords();
    const hash = await passwords.hash('correct horse');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.verify(hash, 'correct horse')).toBe(true);
    expect(await passwords.verify(hash, 'correct horsE')).toBe(false);
  });

  it('never fit an account that has none', async () => {
    const passwords = await createPasswords({ cost: cheap });
    expect(await passwords.verify(undefined, '')).toBe(false);
  });

  it('get a hash of their own each time, but for an import', async () => {
    const passwords = await createPasswords({ cost: cheap });
    expect(await passwords.hash('same')).not.toBe(await passwords.hash('same'));
    const [one, two] = await Promise.all([passwords.hashForImport('same'), passwords.hashForImport('same')]);
    expect(one).toBe(two);
    expect(await passwords.hashForImport('other')).not.toBe(one);
    expect(await passwords.verify(one, 'same')).toBe(true);
  });

  it('are refused when too many wait', async () => {
    const passwords = await createPasswords({ cost: cheap, atOnce: 1 });
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => passwords.hash('x')));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toBeInstanceOf(TooManyHashesError);
  });
});
