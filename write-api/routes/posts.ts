import { z } from 'zod';
import { archivePost, unarchivePost } from '../../commands/posts/archive-post.ts';
import { createPost } from '../../commands/posts/create-post.ts';
import { deletePost } from '../../commands/posts/delete-post.ts';
import { editCaption } from '../../commands/posts/edit-caption.ts';
import type { Log, Written } from '../../commands/handle.ts';
import { postFiles } from '../../commands/posts/post-files.ts';
import { refuse } from '../../domain/decider.ts';
import { Filter } from '../../domain/filter.ts';
import { MediaId, type AccountId, type PostId } from '../../domain/ids.ts';
import { LIMITS } from '../../domain/limits.ts';
import { Place, type PostState } from '../../domain/post.ts';
import { proseText } from '../../domain/text.ts';
import { nestsDeeper } from '../../infra/http/json-depth.ts';
import { defineRoute, type Route } from '../../infra/http/route.ts';
import type { ObjectStore } from '../../infra/object-store/object-store.ts';
import type { ContentRefusal } from '../content-problems.ts';
import { FormFile, formReader, type Form } from '../form-files.ts';
import { KeepCameraData } from '../keep-camera-data.ts';
import { postParams } from './id-param.ts';

type Deps = { readonly log: Log; readonly objects: ObjectStore; readonly takesVideos: () => Promise<boolean> };

const tags = ['posts'];
const UPLOAD_LIMIT_MS = 300_000;

const Composition = z
  .object({
    caption: proseText(LIMITS.caption).nullish(),
    media_ids: z
      .array(MediaId)
      .min(1)
      .max(LIMITS.mediaPerPost)
      .optional()
      .meta({ description: 'Your completed uploads, in order; left out in a form with files' }),
    image: z
      .array(z.instanceof(FormFile).meta({ override: { type: 'string', format: 'binary' } }))
      .max(LIMITS.mediaPerPost)
      .optional()
      .meta({ description: 'Files of a form, in order' }),
    filter: Filter.nullish(),
    alt_texts: z
      .array(proseText(LIMITS.altText))
      .max(LIMITS.mediaPerPost)
      .optional()
      .meta({ description: 'One for each medium; in a form a JSON array' }),
    location: Place.nullish().meta({ description: 'In a form a JSON object' }),
    comments_disabled: z.boolean().optional(),
    keep_camera_data: KeepCameraData,
  })
  .refine(({ media_ids, image }) => (media_ids === undefined) !== (image === undefined), {
    path: ['media_ids'],
    message: 'is missing',
  })
  .refine(({ keep_camera_data, image }) => keep_camera_data === undefined || image !== undefined, {
    path: ['keep_camera_data'],
    message: 'belongs where the upload is asked for; here it is for the files of a form',
  });

const CreatedPost = z.object({
  post_id: z.string(),
  status: z.enum(['processing', 'ready']),
  caption: z.string().nullable(),
  media_ids: z.array(z.string()),
  created_at: z.iso.datetime(),
});

/** Posts: composing, captions, archiving, deleting. */
export function postRoutes(deps: Deps): Route<ContentRefusal>[] {
  return [
    createRoute(deps),
    captionRoute(deps),
    deleteRoute(deps),
    archiveRoute(deps, 'post'),
    archiveRoute(deps, 'delete'),
  ];
}

function createRoute({ log, objects, takesVideos }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'post',
    path: '/v1/posts',
    summary: 'Compose a post of your uploads, or of files in a form',
    tags,
    auth: 'account',
    limits: ['posts'],
    description:
      'JSON names completed uploads in `media_ids`; multipart/form-data carries the files themselves as `image` parts. The post shows once its media are ready: see `GET /v1/posts/{id}/status`. With a filter the post shows new media, made of the named ones: the answer carries their ids.',
    problems: {
      400: '`validation_failed`, `malformed_form`',
      404: '`media_not_found`',
      409: '`media_not_uploaded`',
      413: '`media_too_large`',
      415: '`media_type_unsupported`, `media_video_unavailable`, `upload_type_mismatch`',
      422: '`media_rejected`, `media_repeated`, `alt_texts_mismatch`, `too_many_hashtags`, `hashtag_too_long`, `no_files`, `too_many_files`',
    },
    body: Composition,
    readers: { 'multipart/form-data': formReader('image', bodyOf) },
    timeLimitMs: UPLOAD_LIMIT_MS,
    responses: { 201: CreatedPost },
    handler: async ({ account, body, context }) => {
      const composition = compositionOf(account.id, body);
      const created =
        body.image === undefined
          ? await createPost(log, context, { ...composition, mediaIds: body.media_ids ?? [] })
          : await postFiles({ ...log, objects, takesVideos }, context, {
              ...composition,
              files: body.image,
              cameraConsent: body.keep_camera_data,
            });
      return created.ok ? answerOf(created, context.now) : created;
    },
  });
}

function compositionOf(
  authorId: AccountId,
  {
    caption = null,
    filter = null,
    alt_texts: altTexts = [],
    location = null,
    comments_disabled: commentsDisabled = false,
  }: z.output<typeof Composition>,
) {
  return { authorId, caption, filter, altTexts, location, commentsDisabled };
}

function answerOf(
  { postId, state, written }: { postId: PostId; state: PostState; written: Written | undefined },
  now: Date,
) {
  const [caption, mediaIds] = state.status === 'absent' ? [null, []] : [state.caption, state.mediaIds];
  const status = state.status === 'published' ? ('ready' as const) : ('processing' as const);
  return {
    status: 201 as const,
    written,
    body: { post_id: postId, status, caption, media_ids: [...mediaIds], created_at: now.toISOString() },
  };
}

// A form has text only: what is JSON elsewhere is JSON text here. What cannot be read is left as it is for the schema
// to refuse.
function bodyOf({ files, fields }: Form): unknown {
  const {
    caption,
    filter,
    alt_texts: altTexts,
    location,
    comments_disabled: commentsDisabled,
    keep_camera_data: consent,
  } = fields;
  return {
    image: files,
    ...(caption === undefined ? {} : { caption }),
    ...(filter === undefined ? {} : { filter }),
    ...(altTexts === undefined ? {} : { alt_texts: parsed(altTexts) }),
    ...(location === undefined ? {} : { location: parsed(location) }),
    ...(commentsDisabled === undefined ? {} : { comments_disabled: parsed(commentsDisabled) }),
    ...(consent === undefined ? {} : { keep_camera_data: consent }),
  };
}

function parsed(text: string): unknown {
  if (nestsDeeper(Buffer.from(text))) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function captionRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'put',
    path: '/v1/posts/{id}',
    summary: 'Rewrite the caption of your post',
    tags,
    auth: 'account',
    params: postParams,
    problems: { 403: '`post_not_yours`', 404: '`post_not_found`', 422: '`too_many_hashtags`, `hashtag_too_long`' },
    body: z.object({ caption: proseText(LIMITS.caption) }),
    responses: { 200: z.object({ post_id: z.string(), caption: z.string() }) },
    handler: async ({ account, params: { id: postId }, body: { caption }, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const edited = await editCaption(log, context, { accountId: account.id, postId, caption });
      return edited.ok ? { status: 200, written: edited.written, body: { post_id: postId, caption } } : edited;
    },
  });
}

function deleteRoute({ log }: Deps): Route<ContentRefusal> {
  return defineRoute({
    method: 'delete',
    path: '/v1/posts/{id}',
    summary: 'Delete your post for good',
    tags,
    auth: 'account',
    params: postParams,
    problems: { 403: '`post_not_yours`', 404: '`post_not_found`' },
    responses: { 204: null },
    handler: async ({ account, params: { id: postId }, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const deleted = await deletePost(log, context, { accountId: account.id, postId });
      return deleted.ok ? { status: 204, written: deleted.written } : deleted;
    },
  });
}

function archiveRoute({ log }: Deps, method: 'post' | 'delete'): Route<ContentRefusal> {
  const archived = method === 'post';
  return defineRoute({
    method,
    path: '/v1/posts/{id}/archive',
    summary: archived ? 'Hide your post from everybody else' : 'Bring your post back, at its own time',
    tags,
    auth: 'account',
    params: postParams,
    problems: { 403: '`post_not_yours`', 404: '`post_not_found`', 409: '`post_not_published`' },
    responses: { 200: z.object({ post_id: z.string(), archived: z.boolean() }) },
    handler: async ({ account, params: { id: postId }, context }) => {
      if (postId === undefined) return refuse('post_not_found');
      const changed = await (archived ? archivePost : unarchivePost)(log, context, { accountId: account.id, postId });
      return changed.ok ? { status: 200, written: changed.written, body: { post_id: postId, archived } } : changed;
    },
  });
}
