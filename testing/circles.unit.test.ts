import { describe, expect, it } from 'vitest';
import { circles } from './circles.ts';
import { sourceFiles } from './source-files.ts';

describe('circles of imports', () => {
  it('are not in the project, types included', () => {
    expect(circles(sourceFiles().filter(({ path }) => !path.endsWith('.test.ts')))).toEqual([]);
  });

  it('are found through any number of files, each once', () => {
    const planted = [
      { path: 'a/one.ts', text: "import { two } from './two.ts';" },
      { path: 'a/two.ts', text: "import type { Three } from '../b/three.ts';" },
      { path: 'b/three.ts', text: "export { one } from '../a/one.ts';\nimport './four.ts';" },
      { path: 'b/four.ts', text: "import { z } from 'zod';" },
    ];
    expect(circles(planted)).toEqual([['a/one.ts', 'a/two.ts', 'b/three.ts']]);
    expect(circles(planted.filter(({ path }) => path !== 'b/three.ts'))).toEqual([]);
  });
});
