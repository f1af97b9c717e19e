import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { decode } from 'blurhash';
import sharp from 'sharp';
import { FILTER_NAMES } from '../media/filters.ts';
import { processImage } from '../media/process-image.ts';
import type { ImageOptions, ProcessedImage } from '../media/process-image.ts';
import { VARIANTS, VARIANT_NAMES } from '../media/variants.ts';
import type { Variant, VariantFormat } from '../media/variants.ts';
import { drawPhoto } from './draw-photo.ts';

const DOCS = new URL('../docs/', import.meta.url);
const IMAGES = new URL('media/', DOCS);
const FORMATS: readonly VariantFormat[] = ['webp', 'avif', 'jpeg'];

/** The photo of the page when none is named: drawn, so that the page shows no stranger's picture. */
const SEED = 6;

/** Writes `docs/media.md` and its pictures: one photo in every size, format and filter, with what each weighs. */
async function writePage(photo: Buffer): Promise<void> {
  await rm(IMAGES, { recursive: true, force: true });
  await mkdir(IMAGES, { recursive: true });
  const [webp, avif, jpeg] = await Promise.all(FORMATS.map((format) => processed(photo, { format })));
  if (!webp || !avif || !jpeg) throw new Error('a format is missing');
  const sections = [
    heading(webp, photo),
    await sizes(webp),
    await formats([webp, avif, jpeg]),
    await filters(photo),
    await placeholder(webp),
  ];
  await writeFile(new URL('media.md', DOCS), `${sections.join('\n\n')}\n`);
}

async function processed(photo: Buffer, options: ImageOptions): Promise<ProcessedImage> {
  const result = await processImage(photo, options);
  if (!result.ok) throw new Error(result.reason);
  return result;
}

function heading(result: ProcessedImage, photo: Buffer): string {
  return `# One photo, every way it is served

Made by \`node scripts/media-page.ts\` with the code that serves them. The source is a JPEG of ${String(result.width)} × ${String(result.height)} pixels and ${kilobytes(photo)}.
One decode feeds all sizes of a format. Everything is upright, in sRGB and free of metadata.`;
}

async function sizes({ variants }: ProcessedImage): Promise<string> {
  const rows: string[] = [];
  for (const variant of variants) {
    const { edge, fit } = VARIANTS[variant.name];
    const rule = fit === 'cover' ? `fills ${String(edge)} × ${String(edge)}, cropped` : `inside ${String(edge)} × ${String(edge)}, never enlarged`;
    rows.push(`| ${variant.name} | ${rule} | ${String(variant.width)} × ${String(variant.height)} | ${kilobytes(variant.bytes)} | ![${variant.name}](${await keep(variant, `size-${variant.name}`)}) |`);
  }
  return `## Sizes (WebP)\n\n| size | rule | pixels | weight | |\n|---|---|--:|--:|---|\n${rows.join('\n')}`;
}

async function formats(results: readonly ProcessedImage[]): Promise<string> {
  const rows = VARIANT_NAMES.map((name, index) => `| ${name} | ${results.map(({ variants }) => weight(variants[index])).join(' | ')} |`);
  const shown = await Promise.all(results.map(async ({ variants }, index) => {
    const medium = variants[VARIANT_NAMES.indexOf('medium')];
    return medium ? `![${FORMATS[index] ?? ''}](${await keep(medium, 'format-medium')})` : '';
  }));
  return `## Formats

WebP is always there; AVIF and progressive JPEG are made once, the first time that a client asks for them with \`Accept\`.

| size | WebP | AVIF | JPEG |
|---|--:|--:|--:|
${rows.join('\n')}
| medium | ${shown.join(' | ')} |`;
}

async function filters(photo: Buffer): Promise<string> {
  const cells: string[] = [];
  for (const filter of [undefined, ...FILTER_NAMES]) {
    const { variants: [small] } = await processed(photo, { sizes: ['small'], ...(filter ? { filter } : {}) });
    if (small) cells.push(`| ${filter ?? 'none'} | ${kilobytes(small.bytes)} | ![${filter ?? 'no filter'}](${await keep(small, `filter-${filter ?? 'none'}`)}) |`);
  }
  return `## Filters (small, WebP)\n\nEach is one colour operation on every pixel; the formulas stand in \`media/filters.ts\`.\n\n| filter | weight | |\n|---|--:|---|\n${cells.join('\n')}`;
}

async function placeholder({ blurhash, width, height }: ProcessedImage): Promise<string> {
  const size = { width: 32, height: Math.round((32 * height) / width) };
  const pixels = decode(blurhash ?? '', size.width, size.height);
  const bytes = await sharp(pixels, { raw: { ...size, channels: 4 } }).resize(320).webp().toBuffer();
  await writeFile(new URL('blurhash.webp', IMAGES), bytes);
  return `## Blurhash\n\n\`${blurhash ?? ''}\`, ${String(blurhash?.length ?? 0)} characters that a client paints while the photo loads:\n\n![blurhash](media/blurhash.webp)`;
}

async function keep({ contentType, bytes }: Variant, name: string): Promise<string> {
  const file = `${name}.${contentType === 'image/jpeg' ? 'jpg' : contentType.slice('image/'.length)}`;
  await writeFile(new URL(file, IMAGES), bytes);
  return `media/${file}`;
}

function weight(variant: Variant | undefined): string {
  return variant ? kilobytes(variant.bytes) : '';
}

function kilobytes(bytes: Buffer): string {
  return `${(bytes.length / 1000).toFixed(1)} KB`;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { photo: { type: 'string' } } });
  await writePage(values.photo ? await readFile(values.photo) : await drawPhoto(SEED, { width: 2400, height: 1800 }));
  const files = await readdir(IMAGES);
  console.log(`docs/media.md and ${String(files.length)} pictures written`);
}
