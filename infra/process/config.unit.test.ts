import { existsSync, readFileSync } from 'node:fs';
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

  it('trusts the proxies that are listed, and nobody where none are', () => {
    expect(readConfig(required).TRUSTED_PROXIES).toEqual([]);
    expect(readConfig({ ...required, TRUSTED_PROXIES: 'loopback, 10.1.0.0/16,2001:db8::/32' }).TRUSTED_PROXIES).toEqual(
      ['loopback', '10.1.0.0/16', '2001:db8::/32'],
    );
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
    ['TRUSTED_PROXIES', 'loopback, everybody', /^TRUSTED_PROXIES: must list addresses/],
    ['TRUSTED_PROXIES', '10.0.0.0/33', /^TRUSTED_PROXIES: must list addresses/],
  ])('refuses %s=%s in one line that does not repeat the value of a secret', (name, value, line) => {
    expect(() => readConfig({ ...required, [name]: value })).toThrow(line);
  });

  it.each([
    [{ CELEBRITY_REVOKE_BELOW: '10001' }, /^CELEBRITY_REVOKE_BELOW: must not be larger than CELEBRITY_THRESHOLD$/],
    [
      { CELEBRITY_THRESHOLD: '50', SUPER_CELEBRITY_THRESHOLD: '49' },
      /^CELEBRITY_THRESHOLD: must not be larger than SUPER_CELEBRITY_THRESHOLD$/,
    ],
    [{ FAN_OUT_LAG_ALERT: '500001' }, /^FAN_OUT_LAG_ALERT: must not be larger than FAN_OUT_LAG_ACTIVE$/],
    [{ FAN_OUT_LAG_NONE: '499999' }, /^FAN_OUT_LAG_ACTIVE: must not be larger than FAN_OUT_LAG_NONE$/],
    [
      { S3_ENDPOINT: 'http://s3', S3_ACCESS_KEY_ID: 'k' },
      /^S3_SECRET_ACCESS_KEY: is missing, and S3_ENDPOINT needs it$/,
    ],
    [
      { S3_ENDPOINT: 'http://s3', S3_SECRET_ACCESS_KEY: 's' },
      /^S3_ACCESS_KEY_ID: is missing, and S3_ENDPOINT needs it$/,
    ],
    [{ S3_FALLBACK_BUCKET: 'second' }, /^S3_ENDPOINT: is missing, and S3_FALLBACK_BUCKET needs it$/],
    [
      {
        S3_ENDPOINT: 'http://s3',
        S3_ACCESS_KEY_ID: 'k',
        S3_SECRET_ACCESS_KEY: 's',
        S3_BUCKET: 'one',
        S3_FALLBACK_BUCKET: 'one',
      },
      /^S3_FALLBACK_BUCKET: must be another bucket than S3_BUCKET$/,
    ],
  ])('refuses settings that contradict each other: %o', (settings, line) => {
    expect(() => readConfig({ ...required, ...settings })).toThrow(line);
  });

  it('takes settings that just agree, and fits defaults to what is set', () => {
    expect(readConfig({ ...required, CELEBRITY_REVOKE_BELOW: '10000', FAN_OUT_LAG_ALERT: '500000' })).toMatchObject({
      CELEBRITY_REVOKE_BELOW: 10_000,
    });
    expect(readConfig(required)).toMatchObject({ CELEBRITY_REVOKE_BELOW: 9_000, SUPER_CELEBRITY_THRESHOLD: 1_000_000 });
    expect(readConfig({ ...required, CELEBRITY_THRESHOLD: '2' })).toMatchObject({ CELEBRITY_REVOKE_BELOW: 2 });
    expect(readConfig({ ...required, CELEBRITY_THRESHOLD: '2000000' })).toMatchObject({
      CELEBRITY_REVOKE_BELOW: 1_800_000,
      SUPER_CELEBRITY_THRESHOLD: 2_000_000,
    });
  });

  it('names everything that is missing at once', () => {
    expect(() => readConfig({})).toThrow(ConfigError);
    expect(() => readConfig({})).toThrow(/EVENTSTORE_URL: is missing\nDATABASE_URL: is missing/);
  });

  it('is listed in .env.example, each variable once and nothing else', () => {
    const listed = readFileSync('.env.example', 'utf8')
      .split('\n')
      .flatMap((line) => /^([A-Z0-9_]+)=/.exec(line)?.[1] ?? []);
    expect(listed.toSorted()).toEqual([...CONFIG_VARIABLES].toSorted());
  });
});

describe('docker-compose.yml', () => {
  const text = readFileSync('docker-compose.yml', 'utf8');
  const block = /^x-environment: &environment\n((?: .*\n)+)/m.exec(text)?.[1] ?? '';
  const environment = new Map(
    [...block.matchAll(/^ {2}([A-Z0-9_]+): (.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const),
  );
  // As compose fills it in where .env holds the two secrets and nothing else.
  const filled = (value: string): string => {
    const once = value.replaceAll(/\$\{[A-Z0-9_]+:-([^${}]*)\}/g, '$1').replaceAll(/^"|"$/g, '');
    return once === value ? once : filled(once);
  };

  it('hands every variable on to the processes, but for the folder that stands in for S3', () => {
    expect([...environment.keys()].toSorted()).toEqual(
      CONFIG_VARIABLES.filter((name) => name !== 'MEDIA_DIR').toSorted(),
    );
  });

  it('runs and mounts only files that the project has', () => {
    const run = [...text.matchAll(/command: \["node", "([^"]+)"/g)].map(([, path = '']) => path);
    const mounted = [...text.matchAll(/^ +- (\.\/[^:\s]+):/gm)].map(([, path = '']) => path);
    expect(run).toContain('write-api/main.ts');
    expect([...run, ...mounted].filter((path) => !existsSync(path))).toEqual([]);
  });

  it('runs the processes with settings that they accept, on the usual ports and with the usual limits', () => {
    const { JWT_SECRET, MASTER_KEY } = required;
    const config = readConfig({
      ...Object.fromEntries([...environment].map(([name, value]) => [name, filled(value)])),
      JWT_SECRET,
      MASTER_KEY,
    });
    const fromDefaults = readConfig(required);
    const ownAddresses = [
      'HOST',
      'TRUSTED_PROXIES',
      'PUBLIC_URL',
      'EVENTSTORE_URL',
      'DATABASE_URL',
      'REDIS_URL',
      'KAFKA_BROKERS',
      'S3_ENDPOINT',
      'S3_ACCESS_KEY_ID',
      'S3_SECRET_ACCESS_KEY',
    ];
    const others = (all: object) =>
      Object.fromEntries(Object.entries(all).filter(([name]) => !ownAddresses.includes(name)));
    expect(others(config)).toEqual(others(fromDefaults));
    expect(config.PUBLIC_URL).toBe(`http://127.0.0.1:${String(fromDefaults.PORT)}`);
  });

  it('publishes the port of each process under its variable', () => {
    const { PORT, WRITE_API_PORT, READ_API_PORT, PROJECTOR_PORT, REACTOR_PORT } = readConfig(required);
    for (const [name, port] of Object.entries({ PORT, WRITE_API_PORT, READ_API_PORT, PROJECTOR_PORT, REACTOR_PORT })) {
      expect(text).toContain(`\${${name}:-${String(port)}}:${String(port)}"]`);
    }
  });

  it('gives the edge files that are there, and the ports that its servers listen on', () => {
    const tls = readFileSync('deploy/compose.tls.yml', 'utf8');
    const listening = (name: string) =>
      [...readFileSync(`deploy/nginx/${name}`, 'utf8').matchAll(/listen (\d+)/g)].map(([, port]) => port);
    expect(listening('plain.conf')).toEqual(['4000']);
    for (const port of listening('tls.conf')) expect(tls).toContain(`:${port ?? ''}"`);
    expect(tls).toContain('nginx-tls.conf');
    expect(existsSync('deploy/nginx/nginx-tls.conf')).toBe(true);
    expect(text).toContain('./deploy/nginx:/etc/nginx:ro');
  });

  it('names images by version', () => {
    const images = [...text.matchAll(/^ {4}image: (\S+)$/gm)].map(([, image]) => image);
    expect(images.filter((image) => image !== 'shutterlog').length).toBe(6);
    for (const image of images) expect(image).toMatch(/^shutterlog$|:v?\d+\.\d+/);
  });
});
