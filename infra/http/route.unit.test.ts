import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRoute, type Route } from './route.ts';

const common = { method: 'get', path: '/v1/x', summary: 'X', tags: ['x'], auth: 'none' } as const;

describe('defineRoute', () => {
  it('lets the compiler refuse answers that the route does not declare', () => {
    // @ts-expect-error the status is not declared
    defineRoute({ ...common, responses: { 200: null }, handler: async () => ({ status: 201 }) });
    defineRoute({
      ...common,
      responses: { 200: z.object({ a: z.string() }) },
      // @ts-expect-error the body lacks a field
      handler: async () => ({ status: 200, body: {} }),
    });
    // @ts-expect-error the body is missing
    defineRoute({ ...common, responses: { 200: z.object({ a: z.string() }) }, handler: async () => ({ status: 200 }) });
    const refusing = defineRoute({
      ...common,
      responses: { 200: null },
      handler: async () => ({ ok: false, refusal: { code: 'gone' } }),
    });
    // @ts-expect-error the app does not know this code
    const routes: Route<'other'>[] = [refusing];
    expect(routes).toHaveLength(1);
  });

  it('gives what is wrong in path, query and body at once', () => {
    const route = defineRoute({
      ...common,
      params: z.object({ id: z.uuid() }),
      query: z.object({ q: z.string() }),
      body: z.object({ list: z.array(z.object({ n: z.int() })) }),
      responses: { 204: null },
      handler: async () => ({ status: 204 }),
    });
    const checked = route.check({ params: { id: 1 }, query: {}, body: { list: [{ n: 1 }, { n: 'x' }] } });
    expect(checked.ok ? [] : checked.errors.map(({ path }) => path)).toEqual(['path.id', 'query.q', 'list.1.n']);
  });
});
