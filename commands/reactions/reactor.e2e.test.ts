import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostId } from '../../domain/ids.ts';
import { streamOf } from '../../domain/streams.ts';
import { openEventStore } from '../../infra/event-store/event-store.ts';
import { aPhoto } from '../../testing/content-world.ts';
import { send, textAt } from '../../testing/http.ts';
import { eventually } from '../../testing/projector-world.ts';
import { startStack, type TestStack } from '../../testing/stack.ts';

let stack: TestStack;
let token: string;

beforeAll(async () => {
  stack = await startStack({ env: { RATE_LIMITS: 'off' } });
  const registered = await send(`${stack.edgeUrl}/v1/users/register`, {
    json: { username: 'ann', email: 'ann@example.org', password: 'correct horse battery', full_name: 'Ann' },
  });
  token = textAt(registered, 'access_token');
});
afterAll(() => stack.stop());

async function post(): Promise<PostId> {
  const photo = await aPhoto();
  const asked = await send(`${stack.edgeUrl}/v1/media/upload-url`, {
    token,
    json: {
      content_type: 'image/jpeg',
      file_size: photo.length,
      checksum_sha256: createHash('sha256').update(photo).digest('hex'),
    },
  });
  await send(textAt(asked, 'upload_url'), {
    method: 'PUT',
    body: new Uint8Array(photo),
    headers: { 'content-type': 'image/jpeg' },
  });
  const completed = await send(`${stack.edgeUrl}/v1/media/upload-url/${textAt(asked, 'upload_id')}/complete`, {
    method: 'POST',
    token,
  });
  const created = await send(`${stack.edgeUrl}/v1/posts`, {
    token,
    json: { media_ids: [textAt(completed, 'media_id')] },
  });
  return PostId.parse(textAt(created, 'post_id'));
}

it('publishes every post once, however often the reactor is killed in the middle of its work', async () => {
  const posts: PostId[] = [];
  for (let kill = 0; kill < 3; kill += 1) {
    posts.push(...(await Promise.all(Array.from({ length: 6 }, post))));
    // Anywhere between taking the jobs and having published all.
    await delay(kill * 60);
    await stack.kill('reactor');
    await stack.start('reactor');
  }
  const store = await openEventStore(stack.environment['EVENTSTORE_URL'] ?? '');
  const typesOf = async (postId: PostId) => (await store.readStream(streamOf.post(postId))).map(({ type }) => type);
  await eventually(
    'every post is published',
    async () => (await Promise.all(posts.map(typesOf))).every((types) => types.length > 1),
    100_000,
  );
  for (const postId of posts) expect(await typesOf(postId)).toEqual(['PostCreated', 'PostPublished']);
  await store.close();
});
