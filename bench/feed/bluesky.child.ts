import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { z } from 'zod';
import { freePort } from '../../infra/local/processes/ports.ts';

// Bluesky's dataplane over a graph of ours: <its module> <database> <file with follows and posts>
const [moduleFile = '', url = '', graphFile = ''] = process.argv.slice(2);

type PeerDatabase = { migrateToLatestOrThrow(): Promise<unknown> };
type PeerModule = {
  Database: new (options: { url: string; poolSize: number }) => PeerDatabase;
  DataPlaneServer: { create(database: PeerDatabase, port: number, plcUrl: string): Promise<unknown> };
};
const isFunction = (value: unknown) => typeof value === 'function';
const Peer = z.object({
  Database: z.custom<PeerModule['Database']>(isFunction),
  DataPlaneServer: z.custom<PeerModule['DataPlaneServer']>(isFunction),
});
const Graph = z.object({
  follows: z.array(z.object({ a: z.string(), b: z.string() })),
  posts: z.array(z.object({ id: z.string(), author: z.string(), at: z.string() })),
});

const { Database, DataPlaneServer } = Peer.parse({ ...(await import(pathToFileURL(moduleFile).href)) });
const database = new Database({ url, poolSize: 10 });
await database.migrateToLatestOrThrow();
const { follows, posts } = Graph.parse(JSON.parse(readFileSync(graphFile, 'utf8')));
const client = new pg.Client(url);
await client.connect();
await client.query(
  `insert into follow (uri, cid, creator, "subjectDid", "createdAt", "indexedAt")
   select 'at://' || a || '/app.bsky.graph.follow/' || b, 'cid' || a || b, a, b, $3, $3 from unnest($1::text[], $2::text[]) as t (a, b)`,
  [follows.map(({ a }) => a), follows.map(({ b }) => b), new Date().toISOString()],
);
await client.query(
  `insert into feed_item (uri, cid, type, "postUri", "originatorDid", "sortAt")
   select 'at://' || author || '/app.bsky.feed.post/' || id, 'cid' || id, 'post', 'at://' || author || '/app.bsky.feed.post/' || id, author, at from unnest($1::text[], $2::text[], $3::text[]) as t (id, author, at)`,
  [posts.map(({ id }) => id), posts.map(({ author }) => author), posts.map(({ at }) => at)],
);
await client.query('vacuum analyze');
await client.end();
const port = await freePort();
await DataPlaneServer.create(database, port, 'http://127.0.0.1:1');
process.once('SIGTERM', () => {
  process.exit(0);
});
console.log(`http://127.0.0.1:${String(port)}`);
