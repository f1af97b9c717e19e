import { describe, expect, it } from 'vitest';
import { IndexAnswers } from './index-answers.ts';

describe('answers about indexes', () => {
  it('are read as entries, newest first, or as absent or under way', () => {
    const answers = new IndexAnswers(100);
    expect(answers.found('a', 'post_2 20 post_1 10')).toEqual({
      state: 'complete',
      entries: [
        { id: 'post_2', score: 20 },
        { id: 'post_1', score: 10 },
      ],
    });
    expect(answers.found('a', '')).toEqual({ state: 'complete', entries: [] });
    expect(answers.found('a', '?')).toEqual({ state: 'computing' });
    expect(answers.found('a', null)).toEqual({ state: 'absent' });
  });

  it('give the same list as long as an index says the same, and another once it says something else', () => {
    const answers = new IndexAnswers(100);
    const first = answers.found('a', 'post_1 10');
    expect(answers.found('a', 'post_1 10')).toBe(first);
    expect(answers.found('b', 'post_1 10')).not.toBe(first);
    const changed = answers.found('a', 'post_1 11');
    expect(changed).toEqual({ state: 'complete', entries: [{ id: 'post_1', score: 11 }] });
    expect(answers.found('a', 'post_1 11')).toBe(changed);
  });

  it('are forgotten, those asked for longest ago first, when they are too many', () => {
    const answers = new IndexAnswers(4);
    const [a, b] = [answers.found('a', 'post_1 10'), answers.found('b', 'post_2 10')];
    expect(answers.found('a', 'post_1 10')).toBe(a);
    answers.found('c', 'post_3 10');
    expect(answers.found('a', 'post_1 10')).toBe(a);
    expect(answers.found('b', 'post_2 10')).not.toBe(b);
  });
});
