import type { EventOfType } from '../../domain/event-log.ts';
import { unreachable } from './batch.ts';

export type PostStatus = 'processing' | 'published' | 'rejected' | 'archived' | 'deleted';

/** Where a post stands; `deleted` is final. */
export type PostLifecycle = { readonly status: PostStatus; readonly published_at: Date | null };

export const lifecycleTypes = [
  'PostPublished',
  'PostRejected',
  'PostArchived',
  'PostUnarchived',
  'PostDeleted',
] as const;
type LifecycleEvent = EventOfType<(typeof lifecycleTypes)[number]>;

/** Where a post stands after an event. Publication stays at its own time through archiving and back. */
export function lifecycleAfter(post: PostLifecycle, event: LifecycleEvent): PostLifecycle {
  if (post.status === 'deleted') return post;
  const { published_at } = post;
  switch (event.type) {
    case 'PostPublished':
      return {
        status: post.status === 'processing' ? 'published' : post.status,
        published_at: new Date(event.data.publishedAt),
      };
    case 'PostRejected':
      return { status: 'rejected', published_at };
    case 'PostArchived':
      return { status: 'archived', published_at };
    case 'PostUnarchived':
      return { status: published_at === null ? 'processing' : 'published', published_at };
    case 'PostDeleted':
      return { status: 'deleted', published_at: null };
    default:
      return unreachable(event);
  }
}
