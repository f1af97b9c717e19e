import { allProjections } from '../projections/catalog.ts';
import type { LaneProjection } from '../projections/lane-projection.ts';
import type { PostgresProjection } from '../projections/projection.ts';
import { CliError } from './context.ts';

export type AnyProjection = PostgresProjection | LaneProjection;

/**
 * The projections that a command names, those that others read first. Unknown names, names together with `--all`, and
 * neither of the two are wrong use.
 */
export function chosenProjections(names: readonly string[], all: boolean): AnyProjection[] {
  const known = allProjections.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new CliError(`unknown projection ${unknown.join(', ')}; there are ${known.join(', ')}`, 2);
  if (all && names.length > 0) throw new CliError('name projections or say --all, not both', 2);
  if (!all && names.length === 0)
    throw new CliError(`name one or more projections, or say --all; there are ${known.join(', ')}`, 2);
  return allProjections.filter(({ name }) => all || names.includes(name));
}

/** `stop` or `park`; anything else is wrong use. */
export function onPoisonOf(text: string | undefined): 'stop' | 'park' | undefined {
  if (text === undefined || text === 'stop' || text === 'park') return text;
  throw new CliError('--on-poison is stop or park', 2);
}
