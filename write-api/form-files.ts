import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import busboy from 'busboy';
import { LIMITS } from '../domain/limits.ts';
import { bytesOf } from '../infra/http/body.ts';
import { ProblemError } from '../infra/http/problem.ts';
import type { BodyReader } from '../infra/http/route.ts';

/** A file of a form, staged on this machine until its request ends. A class, so that no JSON body can pass for one. */
export class FormFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly contentType: string;
  constructor(facts: { path: string; size: number; sha256: string; contentType: string }) {
    this.path = facts.path;
    this.size = facts.size;
    this.sha256 = facts.sha256;
    this.contentType = facts.contentType;
  }
}

/** What a form holds: its files in order, and the last value of each text field. */
export type Form = { readonly files: readonly FormFile[]; readonly fields: Readonly<Record<string, string>> };

const MAX_FILES = LIMITS.mediaPerPost;
const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 100 * 1024;

/**
 * Reads multipart/form-data: files under the name `fileField` stream to the disk, within the limits of a post, and are
 * removed when the request ends; `toBody` turns the form into the body that the route checks.
 * Throws problems: 400 malformed_form, 413 media_too_large, 422 too_many_files.
 */
export function formReader(fileField: string, toBody: (form: Form) => unknown): BodyReader {
  return async (request, { signal }) => {
    const folder = await mkdtemp(join(tmpdir(), 'shutterlog-form-'));
    const release = () => rm(folder, { recursive: true, force: true });
    try {
      const form = await readForm(request, { fileField, folder, signal });
      const facts = [form.fields, form.files.map(({ sha256, contentType }) => [sha256, contentType])];
      return {
        body: toBody(form),
        fingerprint: createHash('sha256').update(JSON.stringify(facts)).digest('hex'),
        release,
      };
    } catch (error) {
      await release();
      throw error;
    }
  };
}

type Outcome = { readonly file: FormFile } | { readonly error: Error };

async function readForm(
  request: IncomingMessage,
  { fileField, folder, signal }: { fileField: string; folder: string; signal: AbortSignal },
): Promise<Form> {
  const parser = parserFor(request);
  const staging: Promise<Outcome>[] = [];
  const fields: Record<string, string> = {};
  let problem: ProblemError | undefined;
  parser.on('field', (name, value, { valueTruncated }) => {
    fields[name] = value;
    if (valueTruncated)
      problem ??= new ProblemError({
        status: 413,
        code: 'body_too_large',
        title: 'A field of the form is too large',
        detail: `At most ${String(MAX_FIELD_BYTES)} bytes are read.`,
      });
  });
  parser.on('filesLimit', () => {
    problem = new ProblemError({
      status: 422,
      code: 'too_many_files',
      title: `A post shows at most ${String(MAX_FILES)} files`,
    });
  });
  parser.on('file', (name, stream, { mimeType }) => {
    if (name !== fileField) {
      stream.resume();
      return;
    }
    const staged = stage(stream, join(folder, String(staging.length)), mimeType);
    staging.push(
      staged.then(
        (file) => ({ file }),
        (error: unknown) => ({ error: error instanceof Error ? error : new Error(String(error)) }),
      ),
    );
  });
  const parsing = await pipeline(bytesOf(request), parser, { signal }).then(
    () => undefined,
    (error: unknown) => (signal.aborted ? error : malformed(error)),
  );
  // Files are waited for in any case: one that is still being written cannot be removed.
  const outcomes = await Promise.all(staging);
  if (parsing !== undefined) throw parsing;
  for (const outcome of outcomes) if ('error' in outcome) throw outcome.error;
  if (problem !== undefined) throw problem;
  return { files: outcomes.flatMap((outcome) => ('file' in outcome ? [outcome.file] : [])), fields };
}

function parserFor(request: IncomingMessage): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      limits: { files: MAX_FILES, fileSize: LIMITS.videoBytes, fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES },
    });
  } catch (error) {
    throw malformed(error);
  }
}

function malformed(cause: unknown): ProblemError {
  return new ProblemError({ status: 400, code: 'malformed_form', title: 'The form cannot be read' }, { cause });
}

async function stage(stream: Readable & { truncated?: boolean }, path: string, contentType: string): Promise<FormFile> {
  const hash = createHash('sha256');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(stream, meter, createWriteStream(path, { flags: 'wx' }));
  if (stream.truncated === true)
    throw new ProblemError({ status: 413, code: 'media_too_large', title: 'The file is larger than allowed' });
  return new FormFile({ path, size, sha256: hash.digest('hex'), contentType });
}
