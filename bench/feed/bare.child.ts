import express from 'express';
import { listen } from '../../infra/http/server.ts';
import { openRedis, whenRedisReady } from '../../infra/redis/redis.ts';

// The bare limit: express answers a constant of the same size after one Redis round trip. <redis> <bytes>
const [redisUrl = '', bytes = '0'] = process.argv.slice(2);
const redis = openRedis(redisUrl);
await whenRedisReady(redis, 5_000);
await redis.set('bare', 'x'.repeat(200));
const body = JSON.stringify({ posts: 'x'.repeat(Math.max(0, Number(bytes) - 12)) });
const app = express();
app.disable('etag');
app.get('/v1/feed', (_request, response, next) => {
  redis.get('bare').then(() => {
    response.type('application/json').send(body);
  }, next);
});
const server = await listen(app, { port: 0, host: '127.0.0.1' });
console.log(`http://127.0.0.1:${String(server.port)}`);
