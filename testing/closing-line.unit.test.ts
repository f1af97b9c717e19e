import { describe, expect, it } from 'vitest';
import { closingLines, countRun } from './closing-line.ts';

describe('closing line', () => {
  it('says passed and failed in the last line, and skipped in one before it only when there are any', () => {
    expect(closingLines({ passed: 12, failed: 0, skipped: 0 })).toEqual(['12 passed, 0 failed']);
    expect(closingLines({ passed: 12, failed: 1, skipped: 3 })).toEqual(['3 skipped', '12 passed, 1 failed']);
  });

  it('counts tests as the report does', () => {
    expect(countRun(report({ numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }), 1)).toEqual({
      passed: 5,
      failed: 2,
      skipped: 2,
    });
  });

  it('counts a file that could not be loaded as a failure', () => {
    expect(countRun(report({ numPassedTests: 5, testResults: [file('failed'), file('passed', 'passed')] }), 1)).toEqual(
      { passed: 5, failed: 1, skipped: 0 },
    );
  });

  it('does not count a file twice whose tests failed', () => {
    expect(
      countRun(report({ numPassedTests: 1, numFailedTests: 1, testResults: [file('failed', 'passed', 'failed')] }), 1),
    ).toMatchObject({ failed: 1 });
  });

  it('counts an error outside any test as a failure', () => {
    expect(countRun(report({ numPassedTests: 5 }), 1)).toEqual({ passed: 5, failed: 1, skipped: 0 });
  });

  it.each([undefined, {}, 'no report'])('counts a run without a report (%j) as a failure', (nothing) => {
    expect(countRun(nothing, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

function report(counts: object) {
  return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [], ...counts };
}

function file(status: string, ...assertions: string[]) {
  return { status, assertionResults: assertions.map((assertion) => ({ status: assertion })) };
}
