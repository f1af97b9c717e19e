import { z } from 'zod';

const Document = z.looseObject({
  openapi: z.string(),
  info: z.looseObject({ version: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});
type Document = z.infer<typeof Document>;

const ANSWER_LIMIT_MS = 5_000;

/**
 * What both APIs do, as one OpenAPI document: the edge serves them under one origin. Rejects when one does not answer.
 */
export async function wholeContract(origins: {
  readonly readApi: string;
  readonly writeApi: string;
}): Promise<Document> {
  const [reads, writes] = await Promise.all([documentOf(origins.readApi), documentOf(origins.writeApi)]);
  const paths = new Set([...Object.keys(reads.paths), ...Object.keys(writes.paths)]);
  return {
    openapi: reads.openapi,
    info: {
      title: 'Shutterlog API',
      version: reads.info.version,
      description:
        'Send an `Idempotency-Key` with a write to make its repeats harmless, and the `Consistency-Token` of its answer with the reads that must see it.',
    },
    paths: Object.fromEntries(
      [...paths].toSorted().map((path) => [path, { ...reads.paths[path], ...writes.paths[path] }]),
    ),
    components: together(reads.components, writes.components),
  };
}

// Schemas of one name are one schema in both (testing/stack.e2e.test.ts).
function together(
  reads: Document['components'] = {},
  writes: Document['components'] = {},
): NonNullable<Document['components']> {
  const kinds = new Set([...Object.keys(reads), ...Object.keys(writes)]);
  return Object.fromEntries([...kinds].map((kind) => [kind, { ...reads[kind], ...writes[kind] }]));
}

async function documentOf(origin: string): Promise<Document> {
  const answer = await fetch(`${origin}/openapi.json`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  return Document.parse(await answer.json());
}
