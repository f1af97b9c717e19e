const FIRST_MS = 500;
const LONGEST_MS = 5_000;

type Rest = { readonly failures: number; readonly until: number; readonly error: unknown };

/**
 * Builds that this process could not take up, each left to others for a while: half a second, twice as long after each
 * failure in a row, five seconds at most.
 */
export class Rests {
  readonly #rests = new Map<number, Rest>();

  /** What a build met, while it rests; undefined when it may be tried. */
  of(buildId: number): { readonly error: unknown } | undefined {
    const rest = this.#rests.get(buildId);
    return rest !== undefined && performance.now() < rest.until ? rest : undefined;
  }

  /** Lets a build rest that failed. */
  begin(buildId: number, error: unknown): void {
    const failures = (this.#rests.get(buildId)?.failures ?? 0) + 1;
    this.#rests.set(buildId, {
      failures,
      error,
      until: performance.now() + Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS),
    });
  }

  /** Forgets the failures of a build that was taken up. */
  end(buildId: number): void {
    this.#rests.delete(buildId);
  }
}
