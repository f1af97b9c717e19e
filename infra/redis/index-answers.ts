import { LRUCache } from 'lru-cache';
import type { Entry, Found } from './sorted-index.ts';

/**
 * Reads what `index_newest` answers, and remembers what it made of the last answer for each key: as long as an index
 * says the same, its entries are not read again, and are the same list, by which others know that nothing changed.
 */
export class IndexAnswers {
  readonly #last: LRUCache<string, { readonly answer: string; readonly found: Found }>;

  /** `mostEntries` bounds what is remembered; an entry takes about 150 bytes. */
  constructor(mostEntries: number) {
    this.#last = new LRUCache({
      maxSize: mostEntries,
      sizeCalculation: ({ found }) => (found.state === 'complete' ? found.entries.length + 1 : 1),
    });
  }

  found(key: string, answer: string | null): Found {
    const last = answer === null ? undefined : this.#last.get(key);
    if (last?.answer === answer) return last.found;
    const found = toFound(answer);
    if (answer !== null && found.state === 'complete') this.#last.set(key, { answer, found });
    return found;
  }
}

/** What an answer of `index_newest` says of one index. */
export function toFound(answer: string | null): Found {
  if (answer === null) return { state: 'absent' };
  if (answer === '?') return { state: 'computing' };
  const words = answer === '' ? [] : answer.split(' ');
  const entries: Entry[] = [];
  for (let i = 0; i + 1 < words.length; i += 2) entries.push({ id: words[i] ?? '', score: Number(words[i + 1]) });
  return { state: 'complete', entries };
}
