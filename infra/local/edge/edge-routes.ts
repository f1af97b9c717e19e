/** Who answers a request at the edge: the edge itself (`home`, `contract`: what both APIs do), an API, or nobody. */
export type EdgeTarget = 'home' | 'contract' | 'nobody' | 'read-api' | 'write-api';
export type EdgeRoute = {
  readonly target: EdgeTarget;
  /** What an API is asked for: the path as it was compared, the query as it was sent. */
  readonly url: string;
  /** Answers stay open here: server-sent events and WebSockets. */
  readonly live: boolean;
  /** Bodies may be files here. */
  readonly files: boolean;
};

/** What the edge answers by itself. */
const OWN_PAGES: ReadonlyMap<string, EdgeTarget> = new Map([
  ['/', 'home'],
  ['/openapi.json', 'contract'],
]);
/**
 * Everything that is public, beside the edge's own pages; `deploy/nginx/public.conf` says the same. All else is for the
 * inside.
 */
export const PUBLIC_PATHS: ReadonlySet<string> = new Set(['/docs', '/health/live', '/health/ready']);
/** What begins like this is public. */
export const PUBLIC_FOLDERS: readonly string[] = ['/v1/', '/media/', '/upload/', '/docs/'];
const LIVE_PATH = '/v1/live';
const NOBODY: EdgeRoute = { target: 'nobody', url: '/', live: false, files: false };

/**
 * Decides by method and path: reads go to the read API, writes to the write API, and a browser's preflight goes where
 * the request that it asks about would go. Uploads of the file-system store belong to the write API whatever the
 * method. Paths are compared, and passed on, without the detours that an address may take (`/v1/../metrics`, `%2e`, a
 * full URL).
 */
export function edgeRoute(method: string, requestTarget: string, preflightFor?: string): EdgeRoute {
  const parts = partsOf(requestTarget);
  if (parts === undefined) return NOBODY;
  const { path, query } = parts;
  const isRead = reads(method === 'OPTIONS' ? (preflightFor ?? method) : method);
  const rest = {
    url: path + query,
    live: path === LIVE_PATH,
    files: path.startsWith('/upload/') || path === '/v1/posts',
  };
  const own = OWN_PAGES.get(path);
  if (own !== undefined) return isRead ? { target: own, ...rest } : NOBODY;
  if (!isPublic(path)) return NOBODY;
  return { target: isRead && !path.startsWith('/upload/') ? 'read-api' : 'write-api', ...rest };
}

const reads = (method: string) => method === 'GET' || method === 'HEAD';
const isPublic = (path: string) => PUBLIC_PATHS.has(path) || PUBLIC_FOLDERS.some((folder) => path.startsWith(folder));

// As URLs are read everywhere (WHATWG), so that no reader behind the edge can see another path in one.
function partsOf(requestTarget: string): { path: string; query: string } | undefined {
  const [beforeFragment = ''] = requestTarget.split('#', 1);
  const mark = beforeFragment.indexOf('?');
  const address = mark === -1 ? beforeFragment : beforeFragment.slice(0, mark);
  const full = address.startsWith('/') ? `http://edge${address}` : address;
  if (!/^https?:\/\//i.test(full) || !URL.canParse(full)) return undefined;
  return { path: new URL(full).pathname, query: mark === -1 ? '' : beforeFragment.slice(mark) };
}
