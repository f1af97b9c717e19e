import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadEvents } from '../commands/handle.ts';
import { PostId, type AccountId, MediaId } from '../domain/ids.ts';
import { mediaDecider } from '../domain/media.ts';
import { streamOf } from '../domain/streams.ts';
import { decodeToken } from '../infra/event-store/consistency-token.ts';
import { newId } from '../infra/ids.ts';
import { openContentApi, uploadUrl, type ContentApi } from '../testing/content-api.ts';
import { aPhoto } from '../testing/content-world.ts';
import { send, textAt, type HttpAnswer } from '../testing/http.ts';
import { eventually } from '../testing/projector-world.ts';

let api: ContentApi;
let ann: AccountId;
let ben: AccountId;
let hidden: AccountId;
let staging: string;

beforeAll(async () => {
  // Files of forms are staged in the system's folder for such: this one is for this test alone.
  staging = await mkdtemp(join(tmpdir(), 'shutterlog-staging-'));
  process.env['TMPDIR'] = staging;
  api = await openContentApi();
  [ann, ben, hidden] = await Promise.all([api.account(), api.account(), api.account('private')]);
});
afterAll(async () => {
  await api.close();
  await rm(staging, { recursive: true, force: true });
});

const problem = (status: number, code: string) => ({ status, body: expect.objectContaining({ code, status }) });
const postIdOf = (answer: HttpAnswer) => PostId.parse(textAt(answer, 'post_id'));

async function put(
  asked: HttpAnswer,
  bytes: Buffer,
  contentType = 'image/jpeg',
  address = uploadUrl(api.origin, asked),
): Promise<HttpAnswer> {
  return send(address, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': contentType } });
}
const complete = (account: AccountId, asked: HttpAnswer) =>
  api.request(account, `/v1/media/upload-url/${textAt(asked, 'upload_id')}/complete`, { method: 'POST' });
const create = (account: AccountId, json: Record<string, unknown>) => api.request(account, '/v1/posts', { json });

async function nothingKept(asked: HttpAnswer): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of api.objects.list('uploads/')) keys.push(key);
  expect(keys.filter((key) => key.endsWith(textAt(asked, 'upload_id')))).toEqual([]);
  expect(await api.types(streamOf.media(MediaId.parse(textAt(asked, 'upload_id'))))).toEqual(['UploadRequested']);
}

it('takes a photo from its upload to a published post', async () => {
  const mediaId = await api.upload(ann, await aPhoto());
  const created = await create(ann, {
    caption: 'At the lake #sunset',
    media_ids: [mediaId],
    alt_texts: ['a lake'],
    location: { name: 'Lake', lat: 47.3, lng: 8.5 },
  });
  expect(created).toMatchObject({ status: 201, body: { caption: 'At the lake #sunset', media_ids: [mediaId] } });
  expect(decodeToken(created.headers.get('consistency-token') ?? '')).toMatchObject({ owners: [ann] });
  expect(await api.settled(postIdOf(created))).toBe('published');
});

it('says at once that a post of ready media is ready', async () => {
  const created = await create(ann, { media_ids: [await api.ready(ann)] });
  expect(created).toMatchObject({ status: 201, body: { status: 'ready', caption: null } });
});

async function photoOfACamera(): Promise<Buffer> {
  return sharp(await aPhoto())
    .withExif({
      IFD0: { Make: 'Acme', Model: 'One' },
      IFD2: { DateTimeOriginal: '2024:02:29 23:59:01' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '47/1 0/1 0/1', GPSLongitudeRef: 'E', GPSLongitude: '8/1 0/1 0/1' },
    })
    .jpeg()
    .toBuffer();
}

const camera = { takenAt: '2024-02-29T23:59:01', make: 'Acme', model: 'One' };
const keptByConsent = [
  [undefined, camera],
  ['camera', camera],
  ['none', null],
  ['camera_and_location', { ...camera, latitude: 47, longitude: 8 }],
] as const;

/** What the log keeps of what the camera wrote, once the medium is ready. */
async function cameraDataOf(mediaId: MediaId) {
  await eventually('the medium is ready', async () => (await api.mediaState(mediaId)).status === 'processed');
  const events = await loadEvents(api, mediaDecider.eventTypes, streamOf.media(mediaId));
  return events.flatMap((event) => (event.type === 'MediaProcessed' ? [event.data.camera] : []));
}

describe('an upload', () => {
  it('is refused for what cannot be uploaded, before a byte is sent', async () => {
    const photo = await aPhoto();
    expect(await api.askUpload(ann, photo, { content_type: 'image/svg+xml' })).toMatchObject(
      problem(415, 'media_type_unsupported'),
    );
    expect(await api.askUpload(ann, photo, { file_size: 30 * 1024 * 1024 + 1 })).toMatchObject(
      problem(413, 'media_too_large'),
    );
    expect(await api.askUpload(ann, photo, { file_size: 0 })).toMatchObject(problem(400, 'validation_failed'));
    expect(await api.askUpload(ann, photo, { checksum_sha256: 'none' })).toMatchObject(
      problem(400, 'validation_failed'),
    );
  });

  it('keeps of what the camera wrote what its owner allows, and serves none of it', async () => {
    const photo = await photoOfACamera();
    for (const [consent, kept] of keptByConsent) {
      const asked = await api.askUpload(ann, photo, consent === undefined ? {} : { keep_camera_data: consent });
      await put(asked, photo);
      expect(await cameraDataOf(MediaId.parse(textAt(await complete(ann, asked), 'media_id'))), consent).toEqual([
        kept,
      ]);
    }
    expect(await api.askUpload(ann, photo, { keep_camera_data: 'everything' })).toMatchObject(
      problem(400, 'validation_failed'),
    );
  });

  it('takes a checksum in base64 too', async () => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo, {
      checksum_sha256: createHash('sha256').update(photo).digest('base64'),
    });
    expect((await put(asked, photo)).status).toBe(200);
    expect(await complete(ann, asked)).toMatchObject({ status: 200, body: { status: 'processing' } });
  });

  it.each([
    [
      'of another size',
      (photo: Buffer) => Buffer.concat([photo, Buffer.from('x')]),
      'image/jpeg',
      problem(422, 'upload_size_mismatch'),
    ],
    [
      'of other bytes',
      (photo: Buffer) => Buffer.alloc(photo.length),
      'image/jpeg',
      problem(422, 'upload_checksum_mismatch'),
    ],
    ['of another type', (photo: Buffer) => photo, 'text/html', problem(415, 'upload_type_mismatch')],
  ])('%s is refused by the address and leaves nothing', async (_what, change, type, refusal) => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo);
    expect(await put(asked, change(photo), type)).toMatchObject(refusal);
    expect(await complete(ann, asked)).toMatchObject(problem(409, 'upload_missing'));
    await nothingKept(asked);
  });

  it('whose content is not what its type says is refused at completion and leaves nothing', async () => {
    const page = Buffer.from('<html><script>alert(1)</script></html>');
    const asked = await api.askUpload(ann, page);
    expect((await put(asked, page)).status).toBe(200);
    expect(await complete(ann, asked)).toMatchObject(problem(415, 'upload_type_mismatch'));
    await nothingKept(asked);
  });

  it('cannot be sent twice to one address', async () => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo);
    await put(asked, photo);
    expect(await put(asked, photo)).toMatchObject(problem(409, 'upload_replayed'));
    expect((await complete(ann, asked)).status).toBe(200);
  });

  it('cannot be sent to an address that was not given out', async () => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo);
    const address = uploadUrl(api.origin, asked);
    expect(await put(asked, photo, 'image/jpeg', address.replace(/size=\d+/, 'size=1'))).toMatchObject(
      problem(403, 'signature_invalid'),
    );
    expect(await put(asked, photo, 'image/jpeg', address.split('?')[0])).toMatchObject(
      problem(403, 'signature_invalid'),
    );
    expect(await put(asked, photo, 'image/jpeg', address.replace('/uploads/', '/uploads/../'))).toMatchObject(
      problem(403, 'signature_invalid'),
    );
    await nothingKept(asked);
  });

  it('that breaks off leaves nothing and can be sent again', async () => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo);
    const { hostname, port, pathname, search } = new URL(uploadUrl(api.origin, asked));
    const socket = connect(Number(port), hostname);
    socket.write(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: ${String(photo.length)}\r\n\r\nhalf`,
    );
    await eventually(
      'the bytes arrive',
      async () => (await readdir(`${api.objectsDir}/incoming`).catch(() => [])).length > 0,
    );
    socket.destroy();
    await eventually('nothing is left of them', async () => (await readdir(`${api.objectsDir}/incoming`)).length === 0);
    expect((await put(asked, photo)).status).toBe(200);
    expect((await complete(ann, asked)).status).toBe(200);
  });

  it('cannot be sent after its time', async () => {
    const photo = await aPhoto();
    const grant = await api.objects.presignUpload({
      key: `uploads/${ann}/late`,
      contentType: 'image/jpeg',
      size: photo.length,
      expiresInSeconds: -10,
    });
    const { pathname, search } = new URL(grant.url);
    expect(
      await put(
        { status: 0, headers: new Headers(), body: undefined },
        photo,
        'image/jpeg',
        api.origin + pathname + search,
      ),
    ).toMatchObject(problem(410, 'signature_expired'));
  });

  it('is completed by its owner and by nobody else', async () => {
    const photo = await aPhoto();
    const asked = await api.askUpload(ann, photo);
    await put(asked, photo);
    expect(await complete(ben, asked)).toMatchObject(problem(404, 'upload_not_found'));
    expect(await complete(ann, asked)).toMatchObject({ status: 200, body: { media_id: textAt(asked, 'upload_id') } });
    expect((await complete(ann, asked)).status).toBe(200);
  });

  it('that never was cannot be completed', async () => {
    expect(await api.request(ann, `/v1/media/upload-url/${newId.media()}/complete`, { method: 'POST' })).toMatchObject(
      problem(404, 'upload_not_found'),
    );
    expect(await api.request(ann, '/v1/media/upload-url/nonsense/complete', { method: 'POST' })).toMatchObject(
      problem(404, 'upload_not_found'),
    );
  });
});

describe('a post', () => {
  it.each([
    ['no media', () => ({}), 400, 'validation_failed'],
    ['an empty list of media', () => ({ media_ids: [] }), 400, 'validation_failed'],
    ['eleven media', () => ({ media_ids: Array.from({ length: 11 }, newId.media) }), 400, 'validation_failed'],
    ['media that do not exist', () => ({ media_ids: [newId.media()] }), 404, 'media_not_found'],
    [
      'a caption of 2,201 characters',
      () => ({ media_ids: [newId.media()], caption: 'x'.repeat(2_201) }),
      400,
      'validation_failed',
    ],
    ['a zero character', () => ({ media_ids: [newId.media()], caption: 'a\u0000b' }), 400, 'validation_failed'],
    [
      'files named in JSON',
      () => ({ image: [{ path: '/etc/passwd', size: 1, sha256: 'a'.repeat(64), contentType: 'image/jpeg' }] }),
      400,
      'validation_failed',
    ],
    ['an unknown filter', () => ({ media_ids: [newId.media()], filter: 'sepia' }), 400, 'validation_failed'],
  ])('with %s is refused', async (_what, body, status, code) => {
    expect(await create(ann, body())).toMatchObject(problem(status, code));
  });

  it("with another account's media is refused", async () => {
    expect(await create(ben, { media_ids: [await api.ready(ann)] })).toMatchObject(problem(404, 'media_not_found'));
  });

  it('with 31 hashtags is refused', async () => {
    const caption = Array.from({ length: 31 }, (_, index) => `#tag${String(index)}`).join(' ');
    expect(await create(ann, { media_ids: [await api.ready(ann)], caption })).toMatchObject(
      problem(422, 'too_many_hashtags'),
    );
  });

  it('with an upload that is not complete is refused', async () => {
    const asked = await api.askUpload(ann, await aPhoto());
    expect(await create(ann, { media_ids: [textAt(asked, 'upload_id')] })).toMatchObject(
      problem(409, 'media_not_uploaded'),
    );
  });

  it('of a damaged file is rejected with the reason', async () => {
    const damaged = (await aPhoto()).subarray(0, 220);
    const created = await create(ann, { media_ids: [await api.upload(ann, damaged)] });
    expect(await api.settled(postIdOf(created))).toBe('rejected');
    expect(await api.postState(postIdOf(created))).toMatchObject({ reason: 'media_corrupt' });
  });

  it('is changed and deleted by its author', async () => {
    const postId = await api.publishedPost(ann);
    expect(await api.request(ann, `/v1/posts/${postId}`, { method: 'PUT', json: { caption: 'better' } })).toMatchObject(
      { status: 200, body: { caption: 'better' } },
    );
    expect(await api.request(ann, `/v1/posts/${postId}/archive`, { method: 'POST' })).toMatchObject({
      status: 200,
      body: { archived: true },
    });
    expect(await api.request(ann, `/v1/posts/${postId}/archive`, { method: 'DELETE' })).toMatchObject({
      status: 200,
      body: { archived: false },
    });
    const deleted = await api.request(ann, `/v1/posts/${postId}`, { method: 'DELETE' });
    expect(deleted).toMatchObject({ status: 204, body: undefined });
    expect(deleted.headers.get('consistency-token')).toBeTruthy();
    expect(await api.request(ann, `/v1/posts/${postId}`, { method: 'DELETE' })).toMatchObject(
      problem(404, 'post_not_found'),
    );
  });

  it.each([
    ['PUT', '', { caption: 'mine' }],
    ['DELETE', '', undefined],
    ['POST', '/archive', undefined],
    ['DELETE', '/archive', undefined],
  ] as const)('is not changed by anybody else: %s %s', async (method, path, json) => {
    const [seen, unseen] = [await api.publishedPost(ann), await api.publishedPost(hidden)];
    const attempt = (postId: string) =>
      api.request(ben, `/v1/posts/${postId}${path}`, { method, ...(json === undefined ? {} : { json }) });
    expect(await attempt(seen)).toMatchObject(problem(403, 'post_not_yours'));
    expect(await attempt(unseen)).toMatchObject(problem(404, 'post_not_found'));
    expect(await attempt(newId.post())).toMatchObject(problem(404, 'post_not_found'));
    expect(await attempt('nonsense')).toMatchObject(problem(404, 'post_not_found'));
    expect(await api.types(streamOf.post(seen))).toEqual(['PostCreated', 'PostPublished']);
  });

  it('is made once under one Idempotency-Key', async () => {
    const json = { media_ids: [await api.ready(ann)], caption: 'once' };
    const ask = () => api.request(ann, '/v1/posts', { json, headers: { 'idempotency-key': 'once' } });
    const [first, second] = [await ask(), await ask()];
    expect(second.body).toEqual(first.body);
    expect(second.status).toBe(201);
    expect(
      await api.request(ann, '/v1/posts', {
        json: { ...json, caption: 'twice' },
        headers: { 'idempotency-key': 'once' },
      }),
    ).toMatchObject(problem(422, 'idempotency_key_reused'));
  });
});

describe('a form with files', () => {
  const form = (files: [Buffer, string, string][], texts: Record<string, string> = {}) => {
    const body = new FormData();
    for (const [bytes, type, name] of files) body.append('image', new Blob([new Uint8Array(bytes)], { type }), name);
    for (const [name, text] of Object.entries(texts)) body.append(name, text);
    return body;
  };
  const postForm = (account: AccountId, body: FormData, headers: Record<string, string> = {}) =>
    api.request(account, '/v1/posts', { method: 'POST', body, headers });
  const stagedFolders = async () =>
    (await readdir(staging)).filter((name) => name.startsWith('shutterlog-form-')).length;

  it('becomes a post with its texts and its files in order', async () => {
    const created = await postForm(
      ann,
      form(
        [
          [await aPhoto(), 'image/jpeg', 'a.jpg'],
          [
            await sharp(await aPhoto())
              .png()
              .toBuffer(),
            'image/png',
            'b.png',
          ],
        ],
        {
          caption: 'two photos',
          alt_texts: '["one","two"]',
          location: '{"name":"Lake","lat":1,"lng":2}',
          comments_disabled: 'true',
        },
      ),
    );
    expect(created).toMatchObject({ status: 201, body: { caption: 'two photos', status: 'processing' } });
    const postId = postIdOf(created);
    expect(await api.settled(postId)).toBe('published');
    const state = await api.postState(postId);
    expect(state).toMatchObject({ commentsDisabled: true });
    const kinds = state.status === 'absent' ? [] : await Promise.all(state.mediaIds.map((id) => api.mediaState(id)));
    expect(kinds.map((media) => media.status !== 'absent' && media.contentType)).toEqual(['image/jpeg', 'image/png']);
  });

  it('keeps of what the camera wrote what its owner allows', async () => {
    for (const [consent, kept] of keptByConsent) {
      const created = await postForm(
        ann,
        form(
          [[await photoOfACamera(), 'image/jpeg', 'a.jpg']],
          consent === undefined ? {} : { keep_camera_data: consent },
        ),
      );
      const state = await api.postState(postIdOf(created));
      const [mediaId] = state.status === 'absent' ? [] : state.mediaIds;
      expect(await cameraDataOf(MediaId.parse(mediaId)), consent).toEqual([kept]);
    }
    expect(
      await postForm(ann, form([[await photoOfACamera(), 'image/jpeg', 'a.jpg']], { keep_camera_data: 'everything' })),
    ).toMatchObject(problem(400, 'validation_failed'));
    expect(await create(ann, { media_ids: [await api.ready(ann)], keep_camera_data: 'none' })).toMatchObject(
      problem(400, 'validation_failed'),
    );
  });

  it.each([
    ['nothing', 'application/octet-stream', 'photo'],
    ['something else', 'image/webp', 'photo.webp'],
  ])('takes a file whose name says %s by its content', async (_what, type, name) => {
    const created = await postForm(ann, form([[await aPhoto(), type, name]]));
    expect(created.status).toBe(201);
    expect(await api.settled(postIdOf(created))).toBe('published');
  });

  it.each([
    ['without a file', async (): Promise<[Buffer, string, string][]> => [], 422, 'no_files'],
    [
      'with an empty file',
      async (): Promise<[Buffer, string, string][]> => [[Buffer.alloc(0), 'image/jpeg', 'a.jpg']],
      422,
      'no_files',
    ],
    [
      'with a page that says it is a photo',
      async (): Promise<[Buffer, string, string][]> => [
        [await aPhoto(), 'image/jpeg', 'a.jpg'],
        [Buffer.from('<html></html>'), 'image/jpeg', 'b.jpg'],
      ],
      415,
      'upload_type_mismatch',
    ],
    [
      'with a document',
      async (): Promise<[Buffer, string, string][]> => [[Buffer.from('%PDF-1.4'), 'application/pdf', 'a.pdf']],
      415,
      'media_type_unsupported',
    ],
    [
      'with eleven files',
      async (): Promise<[Buffer, string, string][]> =>
        Array.from({ length: 11 }, () => [Buffer.from('x'), 'image/jpeg', 'a.jpg']),
      422,
      'too_many_files',
    ],
  ])('%s is refused and leaves nothing', async (_what, files, status, code) => {
    const cat = await api.account();
    expect(await postForm(cat, form(await files()))).toMatchObject(problem(status, code));
    for await (const { key } of api.objects.list(`uploads/${cat}/`)) throw new Error(`${key} was left behind`);
    await eventually('the staged files are gone', async () => (await stagedFolders()) === 0);
  });

  it('with texts that do not fit is refused before anything is kept', async () => {
    const cat = await api.account();
    expect(
      await postForm(cat, form([[await aPhoto(), 'image/jpeg', 'a.jpg']], { caption: 'x'.repeat(2_201) })),
    ).toMatchObject(problem(400, 'validation_failed'));
    const caption = Array.from({ length: 31 }, (_, index) => `#tag${String(index)}`).join(' ');
    expect(await postForm(cat, form([[await aPhoto(), 'image/jpeg', 'a.jpg']], { caption }))).toMatchObject(
      problem(422, 'too_many_hashtags'),
    );
    expect(
      await postForm(cat, form([[await aPhoto(), 'image/jpeg', 'a.jpg']], { caption: `#${'y'.repeat(101)}` })),
    ).toMatchObject(problem(422, 'hashtag_too_long'));
    expect(
      await postForm(cat, form([[await aPhoto(), 'image/jpeg', 'a.jpg']], { caption: 'y'.repeat(110_000) })),
    ).toMatchObject(problem(413, 'body_too_large'));
    expect(
      await postForm(cat, form([[await aPhoto(), 'image/jpeg', 'a.jpg']], { alt_texts: '['.repeat(50_000) })),
    ).toMatchObject(problem(400, 'validation_failed'));
    for await (const { key } of api.objects.list(`uploads/${cat}/`)) throw new Error(`${key} was left behind`);
  });

  it('that is cut off or garbled is refused', async () => {
    const garbled = {
      method: 'POST',
      body: '--x\r\nnonsense',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    };
    expect(await api.request(ann, '/v1/posts', garbled)).toMatchObject(problem(400, 'malformed_form'));
    expect(
      await api.request(ann, '/v1/posts', { ...garbled, headers: { 'content-type': 'multipart/form-data' } }),
    ).toMatchObject(problem(400, 'malformed_form'));
  });

  it('is posted once under one Idempotency-Key', async () => {
    const photo = await aPhoto();
    const ask = () =>
      postForm(ann, form([[photo, 'image/jpeg', 'a.jpg']], { caption: 'once' }), { 'idempotency-key': 'form-once' });
    expect((await ask()).body).toEqual((await ask()).body);
  });
});

describe('likes, saves and comments', () => {
  it('count a like once, with the own like in the answer', async () => {
    const postId = await api.publishedPost(ann);
    const like = (account: AccountId, method = 'POST') => api.request(account, `/v1/posts/${postId}/like`, { method });
    expect(await like(ben)).toMatchObject({ status: 200, body: { liked: true, like_count: 1 } });
    expect(await like(ben)).toMatchObject({ status: 200, body: { liked: true, like_count: 1 } });
    expect(await like(ann)).toMatchObject({ body: { like_count: 2 } });
    expect(await like(ben, 'DELETE')).toMatchObject({ status: 200, body: { liked: false, like_count: 1 } });
  });

  it.each([
    ['POST', 'like'],
    ['DELETE', 'like'],
    ['POST', 'save'],
    ['DELETE', 'save'],
  ])('are refused for hidden and missing posts alike: %s %s', async (method, what) => {
    for (const id of [await api.publishedPost(hidden), newId.post(), 'nonsense']) {
      expect(await api.request(ben, `/v1/posts/${id}/${what}`, { method })).toMatchObject(
        problem(404, 'post_not_found'),
      );
    }
  });

  it('save and unsave', async () => {
    const postId = await api.publishedPost(ann);
    expect(await api.request(ben, `/v1/posts/${postId}/save`, { method: 'POST' })).toMatchObject({
      status: 200,
      body: { saved: true },
    });
    expect(await api.request(ben, `/v1/posts/${postId}/save`, { method: 'DELETE' })).toMatchObject({
      status: 200,
      body: { saved: false },
    });
  });

  it('comment, reply, like and delete', async () => {
    const postId = await api.publishedPost(ann);
    const comment = (account: AccountId, json: Record<string, unknown>) =>
      api.request(account, `/v1/posts/${postId}/comments`, { json });
    const first = await comment(ben, { text: '  nice  ' });
    expect(first).toMatchObject({
      status: 201,
      body: { text: 'nice', user_id: ben, post_id: postId, parent_comment_id: null },
    });
    const commentId = textAt(first, 'comment_id');
    const reply = await comment(ann, { text: 'thanks', parent_comment_id: commentId });
    expect(reply).toMatchObject({ status: 201, body: { parent_comment_id: commentId } });
    expect(await comment(ben, { text: 'deeper', parent_comment_id: textAt(reply, 'comment_id') })).toMatchObject(
      problem(422, 'parent_is_a_reply'),
    );
    for (const blank of ['   ', '\u200b', '\u2800', '\u3164\ufe0f'])
      expect(await comment(ben, { text: blank })).toMatchObject(problem(400, 'validation_failed'));
    expect(await api.request(ann, `/v1/comments/${commentId}/like`, { method: 'POST' })).toMatchObject({
      status: 200,
      body: { liked: true, like_count: 1 },
    });
    expect(await api.request(await api.account(), `/v1/comments/${commentId}`, { method: 'DELETE' })).toMatchObject(
      problem(403, 'comment_not_yours'),
    );
    expect((await api.request(ann, `/v1/comments/${commentId}`, { method: 'DELETE' })).status).toBe(204);
    expect(await api.request(ben, `/v1/comments/${commentId}`, { method: 'DELETE' })).toMatchObject(
      problem(404, 'comment_not_found'),
    );
  });

  it('are refused where the author takes no comments', async () => {
    const postId = await api.publishedPost(ann, { commentsDisabled: true });
    expect(await api.request(ben, `/v1/posts/${postId}/comments`, { json: { text: 'hi' } })).toMatchObject(
      problem(403, 'comments_disabled'),
    );
  });
});

describe('a story', () => {
  const post = (account: AccountId, json: Record<string, unknown>) => api.request(account, '/v1/stories', { json });

  it('is put up, seen, counted and taken down', async () => {
    const posted = await post(ann, { media_id: await api.ready(ann), duration: 7 });
    expect(posted).toMatchObject({ status: 201, body: { status: 'ready', audience: 'all' } });
    const path = `/v1/stories/${textAt(posted, 'story_id')}`;
    expect(await api.request(ben, `${path}/view`, { method: 'POST' })).toMatchObject({
      status: 200,
      body: { view_count: 1 },
    });
    expect(await api.request(ben, `${path}/view`, { method: 'POST' })).toMatchObject({
      status: 200,
      body: { view_count: 1 },
    });
    expect(await api.request(ben, path, { method: 'DELETE' })).toMatchObject(problem(403, 'story_not_yours'));
    expect((await api.request(ann, path, { method: 'DELETE' })).status).toBe(204);
    expect(await api.request(ben, `${path}/view`, { method: 'POST' })).toMatchObject(problem(404, 'story_not_found'));
  });

  it("is not made of another account's medium, and is not there for those who may not see it", async () => {
    expect(await post(ben, { media_id: await api.ready(ann) })).toMatchObject(problem(404, 'media_not_found'));
    const close = await post(ann, { media_id: await api.ready(ann), audience: 'close_friends' });
    const path = `/v1/stories/${textAt(close, 'story_id')}`;
    expect(await api.request(ben, `${path}/view`, { method: 'POST' })).toMatchObject(problem(404, 'story_not_found'));
    expect(await api.request(ben, path, { method: 'DELETE' })).toMatchObject(problem(404, 'story_not_found'));
  });
});

describe('the description of the API', () => {
  type Operation = {
    responses: Record<string, { description: string }>;
    requestBody?: { content: Record<string, { schema: unknown }> };
  };
  async function described(path: string): Promise<Operation | undefined> {
    const { body } = await send(`${api.origin}/openapi.json`);
    return (body as { paths: Record<string, Record<string, Operation>> }).paths[path]?.['post'];
  }

  it('has every route with the codes that it refuses with', async () => {
    expect((await described('/v1/media/upload-url/{upload_id}/complete'))?.responses['415']?.description).toContain(
      'upload_type_mismatch',
    );
  });

  it('has a post as JSON and as a form, with the say about camera data', async () => {
    const content = (await described('/v1/posts'))?.requestBody?.content ?? {};
    expect(Object.keys(content)).toEqual(['application/json', 'multipart/form-data']);
    expect(content['multipart/form-data']?.schema).toMatchObject({
      properties: { keep_camera_data: { enum: ['none', 'camera', 'camera_and_location'] } },
    });
  });
});

it('needs a login everywhere', async () => {
  for (const path of ['/v1/posts', '/v1/media/upload-url', '/v1/stories', `/v1/posts/${newId.post()}/like`]) {
    expect(await send(api.origin + path, { method: 'POST', json: {} })).toMatchObject(problem(401, 'unauthenticated'));
  }
});
