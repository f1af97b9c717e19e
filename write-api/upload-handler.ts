import type { RequestHandler } from 'express';
import { bytesOf } from '../infra/http/body.ts';
import { sendProblem, type Problem } from '../infra/http/problem.ts';
import type { FsObjectStore } from '../infra/object-store/object-store-fs.ts';
import type { UploadOutcome } from '../infra/object-store/object-store-fs-uploads.ts';

type RefusedUpload = Extract<UploadOutcome, { ok: false }>['code'];

/** Where the file-system object store takes signed uploads: `PUT /upload/<key>?<signature>`. */
export const UPLOAD_PATH = '/upload';

/**
 * Takes the bytes of signed uploads for the file-system object store; every other request goes on to the next handler.
 */
export function uploadHandler(objects: Pick<FsObjectStore, 'acceptUpload'>): RequestHandler {
  return (request, response, next) => {
    if (request.method !== 'PUT' || !request.path.startsWith(`${UPLOAD_PATH}/`)) {
      next();
      return;
    }
    const { pathname, search } = new URL(request.originalUrl, 'http://localhost');
    const key = pathname.slice(UPLOAD_PATH.length + 1);
    const contentType = request.headers['content-type'];
    objects.acceptUpload({ key, search, contentType, body: bytesOf(request) }).then(
      (outcome) => {
        if (outcome.ok) response.status(200).end();
        else sendProblem(response, problemOfUpload(outcome.code));
      },
      (error: unknown) => {
        // A client that left gets no answer, and is no fault of ours.
        if (request.complete || !request.destroyed) next(error);
        else response.destroy();
      },
    );
  };
}

function problemOfUpload(code: RefusedUpload): Problem {
  switch (code) {
    case 'signature_invalid':
      return { status: 403, code, title: 'The address of the upload is not one that was given out' };
    case 'signature_expired':
      return { status: 410, code, title: 'The time for this upload is over', detail: 'Ask for a new one.' };
    case 'upload_replayed':
      return { status: 409, code, title: 'This upload was done already', detail: 'Complete it, or ask for a new one.' };
    case 'upload_type_mismatch':
      return {
        status: 415,
        code,
        title: 'The type is not the declared one',
        detail: 'Send the headers that came with the address.',
      };
    case 'upload_size_mismatch':
      return { status: 422, code, title: 'The size is not the declared one' };
    case 'upload_checksum_mismatch':
      return { status: 422, code, title: 'The bytes do not have the declared checksum' };
    default:
      return code satisfies never;
  }
}
