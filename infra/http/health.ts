import type { RequestHandler } from 'express';

/** Asks one dependency whether it works; rejects when it does not. */
export type HealthCheck = () => Promise<unknown>;

const CHECK_LIMIT_MS = 2_000;

/** Answers 200 as long as the process runs its event loop. */
export function liveness(): RequestHandler {
  return (_request, response) => {
    response.json({ status: 'ok' });
  };
}

/** Asks every dependency, each for at most 2 s: 200 when all answer, else 503; the body tells which, and never why. */
export function readiness(checks: Readonly<Record<string, HealthCheck>>): RequestHandler {
  return async (_request, response) => {
    const states = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await stateOf(check)] as const),
    );
    const ready = states.every(([, state]) => state === 'ok');
    response
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(states) });
  };
}

async function stateOf(check: HealthCheck): Promise<'ok' | 'failed' | 'timed_out'> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<'timed_out'>((resolve) => {
    limit = setTimeout(() => {
      resolve('timed_out');
    }, CHECK_LIMIT_MS);
  });
  try {
    return await Promise.race([
      check().then(
        () => 'ok' as const,
        () => 'failed' as const,
      ),
      late,
    ]);
  } finally {
    clearTimeout(limit);
  }
}
