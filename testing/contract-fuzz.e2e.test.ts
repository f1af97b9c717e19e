import pLimit from 'p-limit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { ENCODED, exampleOf, forgedCursors, HEADERS, RAW_BODIES, Schema, variantsOf } from './hostile-input.ts';
import { send, textAt, type HttpAnswer, type HttpRequest } from './http.ts';
import { startWorld, type Person, type World } from './world.ts';

const Parameter = z.looseObject({ in: z.enum(['path', 'query', 'header']), name: z.string() });
const Operation = z.looseObject({
  parameters: z.array(Parameter).default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), z.looseObject({ schema: Schema })) }).optional(),
});
const Document = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), Operation)) });
type Operation = z.infer<typeof Operation>;
type Attack = { readonly method: string; readonly url: string; readonly request: HttpRequest };
type Target = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
};

const AT_ONCE = 12;

let world: World;
let eve: Person;
/** Things that are there, by the place of their id: eve may see them, and they are not hers. */
let things: Record<string, string>;
beforeAll(async () => {
  world = await startWorld();
  const [ann, someone] = [await world.person(), await world.person()];
  eve = someone;
  const post = await world.publish(ann, { caption: '#sea' });
  const comment = textAt(await ann.post(`/v1/posts/${post}/comments`, { text: 'hello' }), 'comment_id');
  const [story, medium] = [await world.story(ann), await world.upload(eve)];
  things = {
    username: ann.username,
    tag: 'sea',
    posts: post,
    comments: comment,
    stories: story,
    upload_id: medium,
    med: medium,
    cmt: comment,
  };
});
afterAll(() => world.stop());

it('answers no input with a 5xx: each parameter, header and body of both APIs takes NUL, lone surrogates, extreme numbers, depth and size', async () => {
  const targets = [...(await targetsAt(world.stack.readUrl)), ...(await targetsAt(world.stack.writeUrl))];
  const attacks = targets.flatMap((target) => [...onParameters(target), ...onHeaders(target), ...onBody(target)]);
  expect(attacks.length).toBeGreaterThan(5_000);
  const atOnce = pLimit(AT_ONCE);
  const answered = await Promise.all(
    attacks.map((attack) => atOnce(async () => ({ attack, answer: await send(attack.url, attack.request) }))),
  );
  const broken = answered
    .filter(({ answer }) => answer.status >= 500 && !isShed(answer))
    .map(
      ({ attack, answer }) =>
        `${attack.method} ${attack.url.slice(0, 300)} ${JSON.stringify(attack.request).slice(0, 300)}: ${JSON.stringify(answer.body)}`,
    );
  expect(broken).toEqual([]);
  const mute = answered.filter(
    ({ answer }) =>
      answer.status >= 400 && answer.headers.get('content-type')?.startsWith('application/problem+json') !== true,
  );
  expect(
    mute.map(({ attack, answer }) => `${attack.method} ${attack.url.slice(0, 300)}: ${String(answer.status)}`),
  ).toEqual([]);
  // Else the login was lost on the way, and nothing was tried.
  expect(answered.filter(({ answer }) => answer.status < 300).length).toBeGreaterThan(100);
  expect((await eve.get('/v1/feed')).status).toBe(200);
});

// A process that has too much to do leaves explore out, whatever was asked of it.
const isShed = ({ body }: HttpAnswer) => z.object({ code: z.literal('explore_unavailable') }).safeParse(body).success;

async function targetsAt(origin: string): Promise<Target[]> {
  const { paths } = Document.parse((await send(`${origin}/openapi.json`)).body);
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      origin,
      path,
      method: method.toUpperCase(),
      operation,
    })),
  );
}

// Ends the session of whoever asks: it is tried without one.
const login = ({ path }: Target) => (path === '/v1/users/logout' ? {} : { token: eve.accessToken });

function addressOf({ origin, path, method }: Target, change: Readonly<Record<string, string>> = {}): string {
  const own = method === 'PUT' ? { username: eve.username } : {};
  const ids = { id: things[path.split('/')[2] ?? ''] ?? 'x' };
  const values = { ...things, ...ids, ...own, ...change };
  return origin + path.replace(/\{(\w+)\}/g, (_, name: string) => values[name as keyof typeof values] ?? 'x');
}

function onParameters(target: Target): Attack[] {
  const { method } = target;
  const attacks = (url: string) => ({
    method,
    url,
    request: {
      method,
      ...login(target),
      ...(target.operation.requestBody === undefined ? {} : { json: bodyOf(target.operation) }),
    },
  });
  return target.operation.parameters.flatMap(({ in: place, name }) => {
    if (place === 'path') return ENCODED.map((value) => attacks(addressOf(target, { [name]: value })));
    if (place === 'header') return [];
    const required = name !== 'q' && target.path.includes('search') ? 'q=a&' : '';
    const types =
      target.path === '/v1/search' && name !== 'type'
        ? ['users', 'hashtags', 'locations'].map((type) => `type=${type}&`)
        : [''];
    const values = [...ENCODED, `1&${name}=2`, ...(name === 'cursor' ? forgedCursors() : [])];
    return types.flatMap((type) =>
      values.map((value) => attacks(`${addressOf(target)}?${type}${required}${name}=${value}`)),
    );
  });
}

function onHeaders(target: Target): Attack[] {
  const { method } = target;
  return HEADERS.map((headers) => ({
    method,
    url: addressOf(target),
    request: {
      method,
      ...login(target),
      headers,
      ...(target.operation.requestBody === undefined ? {} : { json: bodyOf(target.operation) }),
    },
  }));
}

function onBody(target: Target): Attack[] {
  const { method, operation } = target;
  const schema = schemaOf(operation);
  if (schema === undefined) return [];
  const url = addressOf(target);
  const bodies = [...RAW_BODIES, ...variantsOf(schema, bodyOf(operation)).map((value) => JSON.stringify(value))];
  const attacks: Attack[] = bodies.map((body) => ({
    method,
    url,
    request: { method, body, ...login(target), headers: { 'content-type': 'application/json' } },
  }));
  const asForm =
    operation.requestBody?.content['multipart/form-data'] === undefined
      ? []
      : Object.keys(schema.properties ?? {}).flatMap((name) =>
          RAW_BODIES.map((body) => ({ method, url, request: { method, ...login(target), body: formOf(name, body) } })),
        );
  return [...attacks, ...asForm];
}

const schemaOf = ({ requestBody }: Operation) => requestBody?.content['application/json']?.schema;

function bodyOf(operation: Operation): unknown {
  const schema = schemaOf(operation);
  return schema === undefined
    ? undefined
    : exampleOf(schema, (pattern) => things[/^\^(\w+)_\[/.exec(pattern)?.[1] ?? '']);
}

function formOf(name: string, value: string): FormData {
  const form = new FormData();
  form.append('image', new Blob(['no picture'], { type: 'image/jpeg' }), 'photo.jpg');
  form.append(name, value);
  return form;
}
