import type { Problem } from '../infra/http/problem.ts';
import { NoLiveBuildError } from '../projections/builds/builds.ts';
import { isOutage } from '../projections/failures.ts';

/** Why a read is refused. What is hidden from the viewer is refused exactly as what does not exist. */
export type ReadRefusal =
  'user_not_found' | 'post_not_found' | 'comment_not_found' | 'story_not_found' | 'explore_unavailable';

/** The problem of a refused read. */
export function problemOf({ code, detail }: { readonly code: ReadRefusal; readonly detail?: string }): Problem {
  const more = detail === undefined ? {} : { detail };
  if (code === 'explore_unavailable')
    return { status: 503, code, title: titleOf(code), headers: { 'Retry-After': '5' }, ...more };
  return { status: 404, code, title: titleOf(code), ...more };
}

function titleOf(code: ReadRefusal): string {
  switch (code) {
    case 'user_not_found':
      return 'There is no such user';
    case 'post_not_found':
      return 'There is no such post';
    case 'comment_not_found':
      return 'There is no such comment';
    case 'story_not_found':
      return 'There is no such story';
    case 'explore_unavailable':
      return 'There is too much to do for explore at the moment';
    default:
      return code satisfies never;
  }
}

/** The problem of an error below: models that were never built, or a database or object store that is away. */
export function problemOfError(error: unknown): Problem | undefined {
  const headers = { 'Retry-After': '5' };
  if (error instanceof NoLiveBuildError)
    return { status: 503, code: 'not_ready', title: 'The read models are not built yet', headers };
  return isOutage(error)
    ? { status: 503, code: 'unavailable', title: 'A store cannot be reached', headers }
    : undefined;
}
