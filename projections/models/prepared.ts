import { hash } from 'node:crypto';
import type { Statement } from '../../infra/postgres.ts';
import type { Builds } from '../projection.ts';

/**
 * A statement that the server parses and plans once for each connection; for hot reads of many tables, whose planning
 * takes longer than their work. The name follows the text, so another build's statement is another one.
 */
export function statementFor(label: string, textOf: (builds: Builds) => string): (builds: Builds) => Statement {
  const made = new WeakMap<Builds, Statement>();
  return (builds) => {
    const known = made.get(builds);
    if (known !== undefined) return known;
    const text = textOf(builds);
    const statement = { name: `${label}_${hash('md5', text)}`, text };
    made.set(builds, statement);
    return statement;
  };
}
