import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localEnvironment, readAddresses, removeAddresses, writeAddresses } from './addresses.ts';
import { appEnvironment } from './app-environment.ts';
import { showMaking } from './making.ts';
import { readOptions, readSettings } from './options.ts';
import { ensureSecrets, readSecrets } from './secrets.ts';
import { boundedPrinter, loggedTrouble, terminalLine } from './terminal.ts';

let dataDir = '';
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shutterlog-local-'));
});
afterEach(() => {
  rmSync(dataDir, { recursive: true, force: true });
});

describe('options', () => {
  it('name the mistake and the usage', () => {
    expect(() => readOptions(['--emtpy'])).toThrow(/--emtpy[^]*usage: npm start/);
  });

  it('give one line for each bad environment value and never show it', () => {
    const read = () => readSettings({ PORT: 'four thousand', JWT_SECRET: 'too-short-secret', RATE_LIMITS: '' });
    expect(read).toThrow(/^PORT: .+\nJWT_SECRET: .+$/);
    expect(read).not.toThrow('too-short-secret');
  });
});

describe('progress away from a terminal', () => {
  it('is a plain line now and then', () => {
    const said: string[] = [];
    let now = 0;
    const shown = showMaking('demo world', (line) => said.push(line), { terminal: false, now: () => now });
    for (let done = 0; done <= 12; done += 1, now += 1_000) shown.at(done, 12);
    shown.end();
    expect(said).toEqual(['  demo world    41 %', '  demo world    83 %']);
  });
});

describe('secrets', () => {
  it('are made once, at random, and only for their owner to read', () => {
    const first = ensureSecrets(dataDir);
    expect(first.created).toBe(true);
    expect(Buffer.from(first.secrets.MASTER_KEY, 'base64')).toHaveLength(32);
    expect(statSync(join(dataDir, 'secrets')).mode & 0o777).toBe(0o600);
    expect(ensureSecrets(dataDir)).toEqual({ secrets: first.secrets, created: false });
  });

  it('keep the master key of the archive that a new directory begins with, and of no other', () => {
    const key = Buffer.alloc(32, 5).toString('base64');
    expect(ensureSecrets(dataDir, key).secrets.MASTER_KEY).toBe(key);
    expect(ensureSecrets(dataDir, Buffer.alloc(32, 6).toString('base64')).secrets.MASTER_KEY).toBe(key);
  });

  it('are not made anew for a directory that holds data', () => {
    mkdirSync(join(dataDir, 'postgres'));
    expect(() => ensureSecrets(dataDir)).toThrow('restore the file');
  });

  it('are refused when the file is damaged', () => {
    writeFileSync(join(dataDir, 'secrets'), 'MASTER_KEY=abc\n');
    expect(() => readSecrets(dataDir)).toThrow('is damaged');
  });
});

describe('addresses', () => {
  const urls = {
    edgeUrl: 'http://127.0.0.1:1',
    writeApiUrl: 'http://127.0.0.1:2',
    readApiUrl: 'http://127.0.0.1:3',
    projectorUrl: 'http://127.0.0.1:4',
    reactorUrl: 'http://127.0.0.1:5',
  };

  it('are found by a command together with the secrets, and by nobody else', () => {
    const { secrets } = ensureSecrets(dataDir);
    writeAddresses(dataDir, { ...urls, environment: { REDIS_URL: 'redis://127.0.0.1:6' } });
    expect(localEnvironment(dataDir)).toEqual({
      REDIS_URL: 'redis://127.0.0.1:6',
      MASTER_KEY: secrets.MASTER_KEY,
      JWT_SECRET: secrets.JWT_SECRET,
    });
    expect(statSync(join(dataDir, 'addresses.json')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dataDir, 'addresses.json'), 'utf8')).not.toContain(secrets.MASTER_KEY);
  });

  it('are gone when the stack has stopped', () => {
    writeAddresses(dataDir, { ...urls, environment: {} });
    removeAddresses(dataDir);
    expect(readAddresses(dataDir)).toBeUndefined();
    expect(localEnvironment(dataDir)).toEqual({});
  });

  it('are refused when the file holds something else', () => {
    writeFileSync(join(dataDir, 'addresses.json'), '{}');
    expect(() => readAddresses(dataDir)).toThrow('addresses.json is damaged');
  });
});

describe('environment of the processes', () => {
  it('lets the caller decide secrets, and keeps the private stores and ports', () => {
    const { environment, shared } = appEnvironment({
      env: { JWT_SECRET: 'mine', LOG_LEVEL: 'debug', S3_SECRET_ACCESS_KEY: 'cloud', CELEBRITY_THRESHOLD: '5' },
      secrets: { MASTER_KEY: 'made', JWT_SECRET: 'made' },
      host: '0.0.0.0',
      publicUrl: undefined,
      dataDir: '/data',
      ports: { PORT: 1, WRITE_API_PORT: 2, READ_API_PORT: 3, PROJECTOR_PORT: 4, REACTOR_PORT: 5 },
      stores: { DATABASE_URL: 'd', REDIS_URL: 'r', EVENTSTORE_URL: 'e' },
    });
    expect(environment).toMatchObject({
      JWT_SECRET: 'mine',
      MASTER_KEY: 'made',
      LOG_LEVEL: 'debug',
      DATABASE_URL: 'd',
      READ_API_PORT: '3',
      PUBLIC_URL: 'http://127.0.0.1:1',
      MEDIA_DIR: '/data/media',
    });
    expect(shared).toMatchObject({ DATABASE_URL: 'd', CELEBRITY_THRESHOLD: '5' });
    expect(Object.keys(shared)).not.toContain('JWT_SECRET');
    expect(Object.keys(shared)).not.toContain('S3_SECRET_ACCESS_KEY');
  });
});

describe('terminal', () => {
  it('shows warnings and errors of a structured log, and whatever is not structured', () => {
    expect(terminalLine('app', '{"level":30,"msg":"ready"}')).toBeUndefined();
    expect(terminalLine('app', '{"level":50,"msg":"lost","err":{"message":"ECONNRESET"}}')).toBe(
      'app: error: lost (ECONNRESET)',
    );
    expect(terminalLine('app', 'SyntaxError: nothing')).toBe('app: SyntaxError: nothing');
    expect(terminalLine('app', '{not json')).toBe('app: {not json');
  });

  it('finds the trouble that a process logged, and takes nothing else for one', () => {
    expect(loggedTrouble('{"level":60,"msg":"cannot start","err":{"message":"wrong master key"}}')).toBe(
      'cannot start (wrong master key)',
    );
    expect(loggedTrouble('{"level":40,"msg":"slow"}')).toBeUndefined();
    expect(loggedTrouble('plain')).toBeUndefined();
  });

  it('bounds a flood and says where the rest is', () => {
    const printed: string[] = [];
    let now = 10_000;
    const print = boundedPrinter(
      (line) => printed.push(line),
      '/logs/app.log',
      () => now,
    );
    for (let line = 0; line < 100; line += 1) print(`line ${line}`);
    expect(printed).toHaveLength(11);
    expect(printed.at(-1)).toBe('… more in /logs/app.log');
    now += 1_000;
    print('calm again');
    expect(printed.at(-1)).toBe('calm again');
  });
});
