import { execFile } from 'node:child_process';
import { readFile, readdir, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FILTER_NAMES } from '../media/filters.ts';
import { ALL_NAMES, VARIANTS } from '../media/variants.ts';

const DOCS = new URL('../docs/', import.meta.url);
const page = await readFile(new URL('media.md', DOCS), 'utf8');
const WEIGHT = String.raw`\d+\.\d KB`;

const makePage = (args: readonly string[]) =>
  promisify(execFile)(process.execPath, ['scripts/media-page.ts', ...args], { cwd: new URL('../', import.meta.url) });

describe('the page of one photo', () => {
  it('tells the weight of every size in every format, as the code makes them', () => {
    for (const name of ALL_NAMES) {
      const { edge } = VARIANTS[name];
      expect(page).toMatch(
        new RegExp(
          String.raw`^\| ${name} \| [a-z]+ ${String(edge)} × ${String(edge)}, [a-z ]+ \| \d+ × \d+ \| ${WEIGHT} \| ${WEIGHT} \| ${WEIGHT} \|$`,
          'm',
        ),
      );
    }
  });

  it('shows every filter, with its weight in every format', () => {
    for (const name of ['none', ...FILTER_NAMES]) {
      expect(page).toMatch(
        new RegExp(
          String.raw`^\| ${name} \| ${WEIGHT} \| ${WEIGHT} \| ${WEIGHT} \| !\[[^\]]+\]\(media/filter-${name}\.webp\) \|$`,
          'm',
        ),
      );
    }
  });

  it('shows pictures that are there, names whose photo it is, and stays small', async () => {
    const shown = [...page.matchAll(/\]\((media\/[^)]+)\)/g)].map(([, file]) => file ?? '');
    const kept = (await readdir(new URL('media/', DOCS)))
      .filter((file) => file !== 'LICENSE.md')
      .map((file) => `media/${file}`);
    expect(shown.toSorted()).toEqual(kept.toSorted());
    const weights = await Promise.all(kept.map(async (file) => (await stat(new URL(file, DOCS))).size));
    expect(weights.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_500_000);
    for (const text of [page, await readFile(new URL('media/LICENSE.md', DOCS), 'utf8')])
      expect(text).toMatch(/CC BY-SA 4\.0/);
  });

  it.each([
    ['nothing', []],
    ['no photo', ['--credit', 'somebody']],
    ['no credit', ['--photo', 'none.jpg']],
  ])('is not made when %s is named: that is wrong use, and says what to name', async (_what, args) => {
    await expect(makePage(args)).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^name a photo .*--photo.*--credit/) as unknown,
    });
    expect(await readFile(new URL('media.md', DOCS), 'utf8')).toBe(page);
  });

  it('stays as it is when the photo that is named is not there', async () => {
    expect((await makePage(['--photo', 'none.jpg', '--credit', 'somebody'])).stdout).toBe(
      'skipped: there is no none.jpg; docs/media.md stays as it is\n',
    );
    expect(await readFile(new URL('media.md', DOCS), 'utf8')).toBe(page);
  });
});
