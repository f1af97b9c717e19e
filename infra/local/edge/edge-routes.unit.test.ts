import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HOME_POLICY } from './edge-pages.ts';
import { edgeRoute, PUBLIC_FOLDERS, PUBLIC_PATHS } from './edge-routes.ts';

describe('edge routes', () => {
  it.each([
    ['GET', '/', undefined, 'home'],
    ['GET', '/?from=mail', undefined, 'home'],
    ['GET', '/openapi.json', undefined, 'contract'],
    ['POST', '/', undefined, 'nobody'],
    ['GET', '/v1/feed', undefined, 'read-api'],
    ['HEAD', '/media/a', undefined, 'read-api'],
    ['GET', '/docs', undefined, 'read-api'],
    ['GET', '/docs/start.js', undefined, 'read-api'],
    ['GET', '/health/ready', undefined, 'read-api'],
    ['PATCH', '/v1/posts/1', undefined, 'write-api'],
    ['OPTIONS', '/v1/posts/1', 'GET', 'read-api'],
    ['OPTIONS', '/v1/posts/1', 'DELETE', 'write-api'],
    ['GET', '/upload/x', undefined, 'write-api'],
  ] as const)('%s %s (preflight for %s) goes to %s', (method, url, preflightFor, target) => {
    expect(edgeRoute(method, url, preflightFor).target).toBe(target);
  });

  it.each([
    '/metrics',
    '/metrics?x',
    '/Metrics',
    '/metrics/',
    '/./metrics',
    '//metrics',
    '/v1/../metrics',
    '/v1/%2e%2e/metrics',
    '/v1/%2E./metrics',
    '/docs/..\\metrics',
    'http://edge/metrics',
    'http://edge/v1/../metrics',
    'HTTP://edge/METRICS',
    '/health/projections',
    '/health',
    '/v1',
    '/docsx',
    '*',
    'edge:443',
    '',
    'ftp://edge/v1/feed',
    'http://',
    '/%6detrics',
  ])("%s is nobody's", (url) => {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) expect(edgeRoute(method, url).target).toBe('nobody');
  });

  it('pass on what they compared, and the query as it was sent', () => {
    expect(edgeRoute('GET', "/media/../v1/feed?q=a%20b&c='x'").url).toBe("/v1/feed?q=a%20b&c='x'");
    expect(edgeRoute('GET', 'http://elsewhere/v1/feed?limit=3').url).toBe('/v1/feed?limit=3');
    expect(edgeRoute('GET', '/v1/users/%00?cursor=/../#part').url).toBe('/v1/users/%00?cursor=/../');
  });

  it('know a live connection and an upload by their paths alone', () => {
    expect(
      ['/v1/live', '/v1/live?token=x', '/v1/lives', '/v1/x/../live'].map((url) => edgeRoute('GET', url).live),
    ).toEqual([true, true, false, true]);
    expect(['/upload/a', '/v1/posts', '/v1/posts/1/like'].map((url) => edgeRoute('POST', url).files)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('are public as nginx is told, and no others', () => {
    const locations = [
      ...readFileSync('deploy/nginx/public.conf', 'utf8').matchAll(/^location (= |\^~ )(\S+) \{/gm),
    ].map(([, kind, path]) => `${kind ?? ''}${path ?? ''}`);
    expect(readFileSync('deploy/nginx/http.conf', 'utf8')).toContain(`"${HOME_POLICY}"`);
    const ours = ['/', '/openapi.json', ...PUBLIC_PATHS].map((path) => `= ${path}`);
    // Within what is public, a path may still have limits of its own.
    const others = locations.filter((location) => !PUBLIC_FOLDERS.some((folder) => location.startsWith(`= ${folder}`)));
    expect(others.toSorted()).toEqual([...ours, ...PUBLIC_FOLDERS.map((folder) => `^~ ${folder}`)].toSorted());
  });
});
