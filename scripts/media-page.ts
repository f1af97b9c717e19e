import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { decode } from 'blurhash';
import sharp from 'sharp';
import { FILTER_NAMES } from '../media/filters.ts';
import { processImage } from '../media/process-image.ts';
import type { ProcessedImage } from '../media/process-image.ts';
import type { ImageOptions } from '../media/image-options.ts';
import { ALL_NAMES, VARIANTS } from '../media/variants.ts';
import type { Variant, VariantFormat, VariantName } from '../media/variants.ts';

const DOCS = new URL('../docs/', import.meta.url);
const IMAGES = new URL('media/', DOCS);
const FORMATS: readonly VariantFormat[] = ['webp', 'avif', 'jpeg'];

/** Sizes that the page shows in every format; what is larger is listed with its weight, and `large` shown once. */
const SHOWN: readonly VariantName[] = ['thumbnail', 'small', 'medium'];
const SHOWN_ONCE: readonly VariantName[] = ['large', 'profile_small', 'profile_medium'];

type Source = {
  readonly photo: Buffer;
  /** Where the photo comes from and under which licence, as Markdown. */ readonly credit: string;
};

/** Writes `docs/media.md` and its pictures: one photo in every size, format and filter, with what each weighs. */
async function writePage({ photo, credit }: Source): Promise<void> {
  await rm(IMAGES, { recursive: true, force: true });
  await mkdir(IMAGES, { recursive: true });
  const results: ProcessedImage[] = [];
  for (const format of FORMATS) results.push(await processed(photo, { format, sizes: ALL_NAMES }));
  const [webp] = results;
  if (webp === undefined) throw new Error('there is no format');
  const sections = [
    heading(webp, { photo, credit }),
    await sizes(results),
    await pictures(results),
    await filters(photo),
    await placeholder(webp),
  ];
  await writeFile(new URL('media.md', DOCS), `${sections.join('\n\n')}\n`);
  await writeFile(
    new URL('LICENSE.md', IMAGES),
    `The pictures in this folder are no part of the program and not under its licence. They are made of a photo: ${credit}\nThe changes are those that \`docs/media.md\` shows; the pictures are given on under the licence of the photo.\n`,
  );
}

async function processed(photo: Buffer, options: ImageOptions): Promise<ProcessedImage> {
  const result = await processImage(photo, options);
  if (!result.ok) throw new Error(result.reason);
  return result;
}

function heading({ width, height }: ProcessedImage, { photo, credit }: Source): string {
  return `# One photo, every way it is served

Made by \`node scripts/media-page.ts --photo FILE --credit TEXT\` with the code that serves them. The source is a JPEG of ${String(width)} × ${String(height)} pixels and ${kilobytes(photo)}, as the camera wrote it.
One decode feeds all sizes of a format. Everything is upright, in sRGB and free of metadata.

Photo: ${credit} The pictures on this page are made of it and under the same licence.`;
}

async function sizes(results: readonly ProcessedImage[]): Promise<string> {
  const rows = ALL_NAMES.map((name) => {
    const { edge, fit } = VARIANTS[name];
    const side = String(edge);
    const rule = fit === 'cover' ? `fills ${side} × ${side}, cropped` : `inside ${side} × ${side}, never enlarged`;
    const [{ width, height } = { width: 0, height: 0 }] = variantsOf(results, name);
    return `| ${name} | ${rule} | ${String(width)} × ${String(height)} | ${variantsOf(results, name)
      .map(({ bytes }) => kilobytes(bytes))
      .join(' | ')} |`;
  });
  return `## Sizes and formats

WebP is always there; AVIF and progressive JPEG are made once, the first time that a client asks for them with \`Accept\`.
The last two sizes are those of a profile picture, beside its thumbnail.

| size | rule | pixels | WebP | AVIF | JPEG |
|---|---|--:|--:|--:|--:|
${rows.join('\n')}`;
}

async function pictures(results: readonly ProcessedImage[]): Promise<string> {
  const rows: string[] = [];
  for (const name of SHOWN)
    rows.push(
      `| ${name} | ${(await Promise.all(variantsOf(results, name).map((variant) => shown(variant, name)))).join(' | ')} |`,
    );
  const more: string[] = [];
  for (const name of SHOWN_ONCE) {
    const [webp] = variantsOf(results, name);
    if (webp !== undefined) more.push(`${name}, WebP:\n\n${await shown(webp, name)}`);
  }
  return `## Side by side\n\n| size | WebP | AVIF | JPEG |\n|---|---|---|---|\n${rows.join('\n')}\n\n${more.join('\n\n')}`;
}

async function filters(photo: Buffer): Promise<string> {
  const rows: string[] = [];
  for (const filter of [undefined, ...FILTER_NAMES]) {
    const look = filter === undefined ? {} : { filter };
    const variants: Variant[] = [];
    for (const format of FORMATS)
      variants.push(...(await processed(photo, { sizes: ['small'], format, blurhash: false, ...look })).variants);
    const [webp] = variants;
    if (webp !== undefined)
      rows.push(
        `| ${filter ?? 'none'} | ${variants.map(({ bytes }) => kilobytes(bytes)).join(' | ')} | ${await shown(webp, `filter-${filter ?? 'none'}`)} |`,
      );
  }
  return `## Filters (small)

Each is one colour operation on every pixel; the formulas stand in \`media/filters.ts\`.

| filter | WebP | AVIF | JPEG | |
|---|--:|--:|--:|---|
${rows.join('\n')}`;
}

async function placeholder({ blurhash, width, height }: ProcessedImage): Promise<string> {
  const size = { width: 32, height: Math.round((32 * height) / width) };
  const pixels = decode(blurhash ?? '', size.width, size.height);
  const bytes = await sharp(pixels, { raw: { ...size, channels: 4 } })
    .resize(320)
    .webp()
    .toBuffer();
  await writeFile(new URL('blurhash.webp', IMAGES), bytes);
  return `## Blurhash\n\n\`${blurhash ?? ''}\`, ${String(blurhash?.length ?? 0)} characters that a client paints while the photo loads:\n\n![blurhash](media/blurhash.webp)`;
}

const variantsOf = (results: readonly ProcessedImage[], name: VariantName) =>
  results.flatMap(({ variants }) => variants.filter((variant) => variant.name === name));

/** Keeps a picture beside the page and gives the Markdown that shows it. */
async function shown({ contentType, bytes }: Variant, name: string): Promise<string> {
  const type = contentType.slice('image/'.length);
  const file = `${name}.${type === 'jpeg' ? 'jpg' : type}`;
  await writeFile(new URL(file, IMAGES), bytes);
  return `![${name} as ${type}](media/${file})`;
}

function kilobytes(bytes: Buffer): string {
  return `${(bytes.length / 1000).toFixed(1)} KB`;
}

async function photoAt(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes the page of the named photo; without that photo the page stays as it is. Gives the exit code: 2 for wrong use.
 */
async function main({
  photo: path,
  credit,
}: {
  photo?: string | undefined;
  credit?: string | undefined;
}): Promise<0 | 2> {
  if (path === undefined || credit === undefined) {
    console.error(
      'name a photo of a camera with --photo FILE, and where it comes from and its licence with --credit TEXT',
    );
    return 2;
  }
  const photo = await photoAt(path);
  if (photo === undefined) {
    console.log(`skipped: there is no ${path}; docs/media.md stays as it is`);
    return 0;
  }
  await writePage({ photo, credit });
  console.log(`docs/media.md and ${String((await readdir(IMAGES)).length)} files beside it written`);
  return 0;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { photo: { type: 'string' }, credit: { type: 'string' } } });
  process.exitCode = await main(values);
}
