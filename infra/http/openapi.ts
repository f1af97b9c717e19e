import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { IDEMPOTENCY_KEY } from './once.ts';
import { ProblemBody } from './problem.ts';
import type { Route } from './route.ts';

/** Writes the OpenAPI 3.1 document of some routes from the schemas that validate their requests. */
export function openApiDocument(
  routes: readonly Route[],
  info: { title: string; version: string; description: string },
): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  return createDocument({
    openapi: '3.1.0',
    info,
    paths,
    components: { securitySchemes: { accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { params, query, body } = route.schemas;
  return {
    operationId: operationIdOf(route),
    summary: route.summary,
    tags: [...route.tags],
    ...(route.description === undefined ? {} : { description: route.description }),
    ...(route.auth === 'account' ? { security: [{ accessToken: [] }] } : {}),
    requestParams: { ...objectPart('path', params), ...objectPart('query', query), header: headersOf(route) },
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: isRequired(body),
            content: Object.fromEntries(
              ['application/json', ...Object.keys(route.readers ?? {})].map((type) => [type, { schema: body }]),
            ),
          },
        }),
    responses: responsesOf(route),
  };
}

// A body may be left out where the schema takes none.
function isRequired(body: z.ZodType): boolean {
  return !body.safeParse(undefined).success;
}

// Stable names for generated clients: post /v1/users/{username}/follow is postUsersUsernameFollow.
function operationIdOf({ method, path }: Route): string {
  const words = path
    .replace(/^\/v1/, '')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return method + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('');
}

function objectPart(place: 'path' | 'query', schema: z.ZodType | undefined): { [place: string]: z.ZodObject } {
  return schema instanceof z.ZodObject ? { [place]: schema } : {};
}

const CONSISTENCY_TOKENS = /^[A-Za-z0-9_-]*(?: *, *[A-Za-z0-9_-]*)*$/;

function headersOf(route: Route): z.ZodObject {
  const consistency = z
    .string()
    .regex(CONSISTENCY_TOKENS)
    .optional()
    .meta({ description: 'Tokens of earlier writes, comma-separated; what is none of ours is passed over' });
  if (route.method === 'get') return z.object({ 'Consistency-Token': consistency });
  return z.object({
    'Consistency-Token': consistency,
    'Idempotency-Key': z
      .string()
      .regex(IDEMPOTENCY_KEY)
      .optional()
      .meta({ description: 'Repeats under the same key within 24 h get the first answer' }),
  });
}

function responsesOf({ schemas, auth, problems }: Route): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {};
  for (const [status, schema] of Object.entries(schemas.responses)) {
    const body =
      schemas.fresh !== undefined && schema instanceof z.ZodObject ? schema.extend(schemas.fresh.shape) : schema;
    responses[statusKey(status)] = {
      description: STATUS_CODES[status] ?? 'Answer',
      ...(body === null ? {} : { content: { 'application/json': { schema: body } } }),
    };
  }
  const problem = { content: { 'application/problem+json': { schema: ProblemBody } } };
  if (auth === 'account') responses['401'] = { description: 'A login is needed', ...problem };
  for (const [status, codes] of Object.entries(problems ?? {}))
    responses[statusKey(status)] = { description: `${STATUS_CODES[status] ?? 'Problem'}: ${codes}`, ...problem };
  responses['429'] = { description: 'Too many requests', ...problem };
  responses['default'] = { description: 'Any other problem; `code` tells which', ...problem };
  return responses;
}

function statusKey(status: string): `${1 | 2 | 3 | 4 | 5}${string}` {
  const first = z.enum(['1', '2', '3', '4', '5']).parse(status[0]);
  return `${first}${status.slice(1)}` as `${1 | 2 | 3 | 4 | 5}${string}`;
}
