import { describe, expect, it } from 'vitest';
import { newId } from '../infra/ids.ts';
import { expectLaws, specify } from '../testing/decider-spec.ts';
import { mediaDecider, unusableBy, type Arrived, type MediaCommand } from './media.ts';
import type { MediaState } from './media-state.ts';
import type { MediaEvent } from './media-events.ts';
import { largestFile } from './media-file.ts';

const given = specify(mediaDecider);
const mediaId = newId.media();
const ownerId = newId.account();
const other = newId.account();
const sha256 = 'a'.repeat(64);
const file = {
  mediaId,
  ownerId,
  kind: 'image',
  contentType: 'image/jpeg',
  fileSize: 1_000,
  key: `uploads/${ownerId}/${mediaId}`,
} as const;
const upload = { ...file, sha256, expiresAt: '2026-01-01T01:00:00.000Z' };
const inTime = '2026-01-01T00:59:59.999Z';
const late = '2026-01-01T01:00:00.001Z';
const result = { width: 4, height: 3, durationMs: null, blurhash: 'LEHV6nWB2yk8', variants: [], camera: null };

const requested: MediaEvent = { type: 'UploadRequested', data: upload };
const completed: MediaEvent = { type: 'UploadCompleted', data: { ...file, sha256 } };
const abandoned: MediaEvent = { type: 'UploadAbandoned', data: { mediaId, ownerId } };
const processed: MediaEvent = { type: 'MediaProcessed', data: { ...result, mediaId, ownerId, kind: 'image' } };
const rejected: MediaEvent = { type: 'MediaRejected', data: { mediaId, ownerId, reason: 'media_corrupt' } };
const deleted: MediaEvent = { type: 'MediaDeleted', data: { mediaId, ownerId } };

const arrived: Arrived = { fileSize: 1_000, contentType: 'image/jpeg', sha256 };
const complete: MediaCommand = { type: 'CompleteUpload', by: ownerId, arrived, now: inTime };

describe('requesting an upload', () => {
  const request = (
    change: Partial<Extract<MediaCommand, { type: 'RequestUpload' }>['upload']>,
    takesVideos = true,
  ): MediaCommand => ({ type: 'RequestUpload', upload: { ...upload, ...change }, takesVideos });

  it('promises a place for the file', () => given().when(request({})).then(requested));
  it('takes a file of exactly the largest size', () => {
    const largest = { ...upload, fileSize: largestFile('image') };
    given().when(request(largest)).then({ type: 'UploadRequested', data: largest });
  });
  it('refuses a larger one', () =>
    given()
      .when(request({ fileSize: largestFile('image') + 1 }))
      .thenRefused('media_too_large'));
  it('takes a video where videos can be made ready', () => {
    const film = { ...upload, kind: 'video', contentType: 'video/mp4', fileSize: largestFile('video') } as const;
    given().when(request(film)).then({ type: 'UploadRequested', data: film });
    given().when(request(film, false)).thenRefused('media_video_unavailable');
    given()
      .when(request({ ...film, fileSize: largestFile('video') + 1 }))
      .thenRefused('media_too_large');
  });
  it('takes a picture where videos cannot be made ready', () => given().when(request({}, false)).then(requested));
  it('refuses a type that nobody can show', () =>
    given()
      .when(request({ contentType: 'image/svg+xml' }))
      .thenRefused('media_type_unsupported'));
  it('refuses a type that is a name of JavaScript', () =>
    given()
      .when(request({ contentType: 'constructor' }))
      .thenRefused('media_type_unsupported'));
  it('refuses an id that is in use', () => given(requested).when(request({})).thenRefused('upload_id_taken'));
});

describe('deriving a medium', () => {
  const derivedId = newId.media();
  const from = (past: MediaEvent[]) => past.reduce<MediaState>(mediaDecider.evolve, mediaDecider.initial);
  const derive = (past: MediaEvent[], by = ownerId): MediaCommand => ({
    type: 'DeriveMedia',
    mediaId: derivedId,
    ownerId: by,
    from: from(past),
    filter: 'moon',
  });
  const derived: MediaEvent = {
    type: 'MediaDerived',
    data: { ...file, mediaId: derivedId, fromMediaId: mediaId, filter: 'moon' },
  };

  it.each([
    ['has arrived', [requested, completed]],
    ['is ready', [requested, completed, processed]],
  ])('takes the file of a picture that %s', (_what, past) => given().when(derive(past)).then(derived));
  it('waits to be made with its filter, like an upload', () => {
    expect(from([derived])).toMatchObject({ status: 'uploaded', filter: 'moon', key: file.key });
    given(derived)
      .when({ type: 'RecordProcessed', result })
      .then({ type: 'MediaProcessed', data: { ...result, mediaId: derivedId, ownerId, kind: 'image' } });
  });
  it("does not know another account's picture", () =>
    given()
      .when(derive([requested, completed], other))
      .thenRefused('media_not_found'));
  it('refuses a picture that has not arrived', () =>
    given()
      .when(derive([requested]))
      .thenRefused('media_not_uploaded'));
  it('refuses a picture that cannot be shown', () =>
    given()
      .when(derive([requested, completed, rejected]))
      .thenRefused('media_rejected'));
  it('refuses a video', () =>
    given()
      .when({
        type: 'DeriveMedia',
        mediaId: derivedId,
        ownerId,
        from: { status: 'uploaded', ...file, kind: 'video', filter: null, cameraConsent: 'none' },
        filter: 'moon',
      })
      .thenRefused('media_type_unsupported'));
  it('refuses an id that is in use', () =>
    given(requested)
      .when(derive([requested, completed]))
      .thenRefused('upload_id_taken'));
});

describe('completing an upload', () => {
  it('records the file as it arrived', () => given(requested).when(complete).then(completed));
  it('changes nothing the second time', () => given(requested, completed).when(complete).then());
  it('changes nothing once the file is ready', () => given(requested, completed, processed).when(complete).then());
  it('knows no upload that was never asked for', () => given().when(complete).thenRefused('upload_not_found'));
  it("does not know another account's upload", () =>
    given(requested)
      .when({ ...complete, by: other })
      .thenRefused('upload_not_found'));
  it('does not know a deleted one', () =>
    given(requested, completed, deleted).when(complete).thenRefused('upload_not_found'));
  it('refuses it after its time', () =>
    given(requested)
      .when({ ...complete, now: late })
      .thenRefused('upload_expired'));
  it('refuses it after it was given up', () =>
    given(requested, abandoned).when(complete).thenRefused('upload_expired'));
  it('refuses it when nothing has arrived', () =>
    given(requested)
      .when({ ...complete, arrived: null })
      .thenRefused('upload_missing'));
  it('refuses another size', () =>
    given(requested)
      .when({ ...complete, arrived: { ...arrived, fileSize: 999 } })
      .thenRefused('upload_size_mismatch'));
  it('refuses another type', () =>
    given(requested)
      .when({ ...complete, arrived: { ...arrived, contentType: 'image/png' } })
      .thenRefused('upload_type_mismatch'));
  it('refuses bytes of no known type', () =>
    given(requested)
      .when({ ...complete, arrived: { ...arrived, contentType: null } })
      .thenRefused('upload_type_mismatch'));
  it('refuses another checksum', () =>
    given(requested)
      .when({ ...complete, arrived: { ...arrived, sha256: 'b'.repeat(64) } })
      .thenRefused('upload_checksum_mismatch'));
  it('takes the checksum of the bytes when none was declared', () => {
    given({ type: 'UploadRequested', data: { ...upload, sha256: null } })
      .when({ ...complete, arrived: { ...arrived, sha256: 'b'.repeat(64) } })
      .then({ type: 'UploadCompleted', data: { ...file, sha256: 'b'.repeat(64) } });
  });
});

describe('abandoning an upload', () => {
  it('happens after its time', () => given(requested).when({ type: 'AbandonUpload', now: late }).then(abandoned));
  it('does not happen before', () => given(requested).when({ type: 'AbandonUpload', now: inTime }).then());
  it('leaves a completed one alone', () =>
    given(requested, completed).when({ type: 'AbandonUpload', now: late }).then());
  it('happens once', () => given(requested, abandoned).when({ type: 'AbandonUpload', now: late }).then());
});

describe('settling a file', () => {
  it('records what was made of it', () =>
    given(requested, completed).when({ type: 'RecordProcessed', result }).then(processed));
  it('records why it cannot be shown', () =>
    given(requested, completed).when({ type: 'RejectMedia', reason: 'media_corrupt' }).then(rejected));
  it.each([
    ['before it has arrived', [requested]],
    ['a second time', [requested, completed, processed]],
    ['after a rejection', [requested, completed, rejected]],
    ['after its deletion', [requested, completed, deleted]],
  ])('changes nothing %s', (_when, past) => {
    given(...past)
      .when({ type: 'RecordProcessed', result })
      .then();
    given(...past)
      .when({ type: 'RejectMedia', reason: 'media_corrupt' })
      .then();
  });
});

describe('another format of a ready medium', () => {
  const variant = {
    name: 'small',
    key: 'media/a/small.avif',
    contentType: 'image/avif',
    width: 4,
    height: 3,
    bytes: 9,
    sha256,
  } as const;
  const record: MediaCommand = { type: 'RecordFormat', variants: [variant] };
  const made: MediaEvent = { type: 'MediaFormatMade', data: { mediaId, ownerId, variants: [variant] } };

  it('is recorded beside what there is', () => {
    given(requested, completed, processed).when(record).then(made);
    expect(
      [requested, completed, processed, made].reduce<MediaState>(mediaDecider.evolve, mediaDecider.initial),
    ).toMatchObject({ status: 'processed', variants: [variant] });
  });
  it.each([
    ['that is there', [requested, completed, processed, made]],
    ['of one that is not ready', [requested, completed]],
    ['of one that is deleted', [requested, completed, processed, deleted]],
  ])('changes nothing %s', (_what, past) => {
    given(...past)
      .when(record)
      .then();
  });
});

describe('deleting a file', () => {
  it.each([
    ['that was promised', [requested]],
    ['that has arrived', [requested, completed]],
    ['that is ready', [requested, completed, processed]],
    ['that was rejected', [requested, completed, rejected]],
  ])('takes away one %s', (_what, past) => {
    given(...past)
      .when({ type: 'DeleteMedia' })
      .then(deleted);
  });
  it.each([
    ['that never was', []],
    ['that was given up', [requested, abandoned]],
    ['that is deleted', [requested, completed, deleted]],
  ])('changes nothing for one %s', (_what, past) => {
    given(...past)
      .when({ type: 'DeleteMedia' })
      .then();
  });
});

it.each<[string, MediaEvent[], string | undefined]>([
  ['one that never was', [], 'media_not_found'],
  ['one that has not arrived', [requested], 'media_not_uploaded'],
  ['one that has arrived', [requested, completed], undefined],
  ['one that is ready', [requested, completed, processed], undefined],
  ['one that cannot be shown', [requested, completed, rejected], 'media_rejected'],
  ['one that was given up', [requested, abandoned], 'media_not_found'],
  ['a deleted one', [requested, completed, deleted], 'media_not_found'],
])('says whether %s may be used by its owner, and hides it from others', (_what, past, why) => {
  const state = past.reduce<MediaState>(mediaDecider.evolve, mediaDecider.initial);
  expect(unusableBy(state, ownerId)).toBe(why);
  expect(unusableBy(state, other)).toBe('media_not_found');
});

it('refuses a stream that does not begin with a promise', () => {
  expect(() => mediaDecider.evolve({ status: 'absent' }, completed)).toThrow('began with UploadCompleted');
});

it('obeys the laws of deciders', () =>
  expectLaws(mediaDecider, [
    { type: 'RequestUpload', upload, takesVideos: true },
    { type: 'AbandonUpload', now: inTime },
    complete,
    { type: 'RecordProcessed', result },
    { type: 'RejectMedia', reason: 'x' },
    { type: 'RecordFormat', variants: [] },
    { type: 'DeleteMedia' },
    { type: 'DeleteMedia' },
  ]));
