import { z } from 'zod';

/**
 * The part of Vitest's JSON report that counts; a file that cannot be loaded has no assertions and is `failed` itself.
 */
const Report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

export type Counts = { passed: number; failed: number; skipped: number };

/**
 * Counts a run from Vitest's JSON report and its exit code. What no test stands for counts as one failure: a file that
 * could not be loaded, an error outside any test, a run that left no report.
 */
export function countRun(report: unknown, exitCode: number | null): Counts {
  const parsed = Report.safeParse(report);
  if (!parsed.success) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = parsed.data;
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  ).length;
  const failed = numFailedTests + brokenFiles;
  return {
    passed: numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: numPendingTests + numTodoTests,
  };
}

/**
 * The last lines of every test run: `12 passed, 0 failed`, with a line before it that counts the skipped when there are
 * any.
 */
export function closingLines({ passed, failed, skipped }: Counts): string[] {
  return [...(skipped > 0 ? [`${skipped} skipped`] : []), `${passed} passed, ${failed} failed`];
}
