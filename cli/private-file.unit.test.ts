import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writePrivateFile } from './private-file.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'private-file-'));
  file = join(folder, 'export.json');
});
afterEach(() => rm(folder, { recursive: true }));

async function* pieces(...texts: string[]): AsyncIterable<string> {
  for (const text of texts) yield await Promise.resolve(text);
}
async function* broken(): AsyncIterable<string> {
  yield await Promise.resolve('half');
  throw new Error('the store went away');
}
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('a private file', () => {
  it('is readable by its owner alone, and so in the place of one that everybody could read', async () => {
    await writeFile(file, 'of old', { mode: 0o644 });
    expect(await modeOf(file)).toBe(0o644);
    await writePrivateFile(file, pieces('one, ', 'two'));
    expect([await readFile(file, 'utf8'), await modeOf(file), await readdir(folder)]).toEqual([
      'one, two',
      0o600,
      ['export.json'],
    ]);
  });

  it('is never readable by others while it is written, and the old one stays until it is whole', async () => {
    await writeFile(file, 'of old', { mode: 0o644 });
    const seen: unknown[] = [];
    async function* watched(): AsyncIterable<string> {
      yield await Promise.resolve('new');
      seen.push(await modeOf(`${file}.part`), await readFile(file, 'utf8'));
    }
    await writePrivateFile(file, watched());
    expect([seen, await readFile(file, 'utf8')]).toEqual([[0o600, 'of old'], 'new']);
  });

  it('leaves what was there, and nothing of its own, when it cannot be completed', async () => {
    await writeFile(file, 'of old');
    await expect(writePrivateFile(file, broken())).rejects.toThrow('the store went away');
    expect([await readFile(file, 'utf8'), await readdir(folder)]).toEqual(['of old', ['export.json']]);
  });

  it('neither writes into nor removes the unfinished file of another, nor follows a link that lies in its place', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await writeFile(elsewhere, 'of somebody', { mode: 0o644 });
    await symlink(elsewhere, `${file}.part`);
    await expect(writePrivateFile(file, pieces('mine'))).rejects.toThrow(/export\.json\.part is there already/);
    expect([await readFile(elsewhere, 'utf8'), (await readdir(folder)).sort()]).toEqual([
      'of somebody',
      ['elsewhere', 'export.json.part'],
    ]);
  });
});
