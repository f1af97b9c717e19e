import type { Log } from '../commands/handle.ts';
import type { Route } from '../infra/http/route.ts';
import type { MediaAddresses } from '../infra/object-store/media-addresses.ts';
import type { ObjectStore } from '../infra/object-store/object-store.ts';
import type { ContentRefusal } from './content-problems.ts';
import type { OwnCounts } from './own-counts.ts';
import { commentRoutes } from './routes/comments.ts';
import { likeRoutes } from './routes/likes.ts';
import { mediaRoutes } from './routes/media.ts';
import { postRoutes } from './routes/posts.ts';
import { saveRoutes } from './routes/saves.ts';
import { storyRoutes } from './routes/stories.ts';

/** Everything that people share and what others do with it. */
export function contentRoutes(deps: {
  readonly log: Log;
  readonly objects: ObjectStore;
  readonly addresses: Pick<MediaAddresses, 'of'>;
  readonly takesVideos: () => Promise<boolean>;
  readonly counts: OwnCounts;
}): Route<ContentRefusal>[] {
  return [
    ...mediaRoutes(deps),
    ...postRoutes(deps),
    ...likeRoutes(deps),
    ...saveRoutes(deps),
    ...commentRoutes(deps),
    ...storyRoutes(deps),
  ];
}
