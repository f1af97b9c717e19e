import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { homePage } from './home-page.ts';
import { wholeContract } from './whole-contract.ts';

// What the edge of a deployment serves by itself: the first page, and what both APIs do, asked of those that run.
// Usage: node infra/local/edge/edge-files.ts --read-api ORIGIN --write-api ORIGIN --out DIR
const { values } = parseArgs({
  options: { 'read-api': { type: 'string' }, 'write-api': { type: 'string' }, out: { type: 'string' } },
});
const {
  'read-api': readApi,
  'write-api': writeApi,
  out,
} = z.object({ 'read-api': z.url(), 'write-api': z.url(), out: z.string().min(1) }).parse(values);

await mkdir(out, { recursive: true });
await place('openapi.json', JSON.stringify(await wholeContract({ readApi, writeApi })));
await place('index.html', homePage({}));

// A file that is served while it is replaced is the old one or the new one.
async function place(name: string, text: string): Promise<void> {
  await writeFile(join(out, `.${name}`), text);
  await rename(join(out, `.${name}`), join(out, name));
}
