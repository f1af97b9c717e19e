/**
 * Who answers a request at the edge; `hidden` is what only the inside network may see, `contract` what both APIs do.
 */
export type EdgeTarget = 'home' | 'contract' | 'hidden' | 'read-api' | 'write-api';

/** What the edge answers by itself. */
const OWN_PAGES: ReadonlyMap<string, EdgeTarget> = new Map([
  ['/', 'home'],
  ['/openapi.json', 'contract'],
]);

/**
 * Decides by method and path: reads go to the read API, writes to the write API, and a browser's preflight goes where
 * the request that it asks about would go. Uploads of the file-system store belong to the write API whatever the
 * method.
 */
export function edgeTarget(method: string, url: string, preflightFor?: string): EdgeTarget {
  const path = pathOf(url);
  const effective = method === 'OPTIONS' && preflightFor !== undefined ? preflightFor : method;
  const isRead = effective === 'GET' || effective === 'HEAD';
  const own = isRead ? OWN_PAGES.get(path) : undefined;
  if (own !== undefined) return own;
  if (path === '/metrics') return 'hidden';
  if (path.startsWith('/upload/')) return 'write-api';
  return isRead ? 'read-api' : 'write-api';
}

/** True for the address whose answers stay open: server-sent events and WebSockets. */
export function isLive(url: string): boolean {
  return pathOf(url) === '/v1/live';
}

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
