import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CONFIG_VARIABLES, ConfigError, readConfig } from './config.ts';

const required = {
  EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false',
  DATABASE_URL: 'postgres://127.0.0.1/shutterlog',
  REDIS_URL: 'redis://127.0.0.1:6379',
  JWT_SECRET: 'x'.repeat(32),
  MASTER_KEY: Buffer.alloc(32).toString('base64'),
};

describe('the environment', () => {
  it('needs only the stores and the secrets', () => {
    expect(readConfig(required)).toMatchObject({ PORT: 4000, RATE_LIMITS: 'on', CELEBRITY_THRESHOLD: 10_000 });
  });

  it('treats an empty value like a missing one', () => {
    expect(readConfig({ ...required, KAFKA_BROKERS: '', PORT: '' })).toMatchObject({ PORT: 4000 });
  });

  it.each([
    ['PORT', 'eighty', /^PORT: must be a whole number from 0 to 65535$/],
    ['PORT', '70000', /^PORT: must be a whole number from 0 to 65535$/],
    ['EVENTSTORE_URL', 'http://127.0.0.1', /^EVENTSTORE_URL: must start with esdb:\/\//],
    ['MASTER_KEY', 'short', /^MASTER_KEY: must be 32 bytes in base64/],
    ['RATE_LIMITS', 'maybe', /^RATE_LIMITS: must be on or off$/],
  ])('refuses %s=%s in one line that does not repeat the value of a secret', (name, value, line) => {
    expect(() => readConfig({ ...required, [name]: value })).toThrow(line);
  });

  it('names everything that is missing at once', () => {
    expect(() => readConfig({})).toThrow(ConfigError);
    expect(() => readConfig({})).toThrow(/EVENTSTORE_URL: is missing\nDATABASE_URL: is missing/);
  });

  it('is listed in .env.example, each variable once and nothing else', () => {
    const listed = readFileSync('.env.example', 'utf8').split('\n').flatMap((line) => /^([A-Z0-9_]+)=/.exec(line)?.[1] ?? []);
    expect(listed.toSorted()).toEqual([...CONFIG_VARIABLES].toSorted());
  });
});
