import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { EventDefinition } from '../domain/event-definition.ts';
import { eventDefinitions } from '../domain/event-log.ts';

const TARGET = 'docs/events.md';
const HEAD = `# Events

Everything that can happen, generated from \`domain/event-log.ts\` by \`npm run docs:events\`. Fields in *italics* are personal data,
sealed with the data key of the subject; after that account is erased they read null. A field with \`?\` may be absent.
`;

/** The page as it should be: a section for each event type, in the order of the registry. */
function page(): string {
  return [HEAD, ...eventDefinitions.map(section)].join('\n');
}

function section(definition: EventDefinition): string {
  const fields = Object.entries(definition.schema.shape).map(([name, schema]) => {
    const optional = schema instanceof z.ZodOptional ? '?' : '';
    const label = definition.personal.includes(name) ? `*${name}*` : `\`${name}\``;
    return `${label}${optional}`;
  });
  const subject =
    definition.subject === undefined || definition.personal.length === 0
      ? ''
      : ` Sealed for \`${definition.subject}\`.`;
  return `## ${definition.type} (version ${definition.version})\n\n${definition.says}${subject}\n\nFields: ${fields.join(', ')}\n`;
}

// With --check it writes nothing and fails when the page on disk is not the generated one.
if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== page()) {
    console.error(`${TARGET} is out of date: run npm run docs:events`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(TARGET, page());
}
