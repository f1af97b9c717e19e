import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { AnswerTimeoutError, CircuitBreaker, CircuitOpenError } from './circuit-breaker.ts';

function breaker() {
  const clock = { now: 0 };
  return {
    clock,
    circuit: new CircuitBreaker({
      name: 'test',
      failures: 3,
      halfOpenAfterMs: 1_000,
      attempts: 1,
      pauseMs: 0,
      clock: () => clock.now,
    }),
  };
}
const fail = () => Promise.reject(new Error('away'));
const work = () => Promise.resolve('done');

describe('a circuit breaker', () => {
  it('opens after failures in a row, and then does not try', async () => {
    const { circuit } = breaker();
    await expect(circuit.execute(fail)).rejects.toThrow('away');
    await expect(circuit.execute(fail)).rejects.toThrow('away');
    expect(await circuit.execute(work)).toBe('done');
    for (let i = 0; i < 3; i += 1) await expect(circuit.execute(fail)).rejects.toThrow('away');
    expect(circuit.state).toBe('open');
    let tried = false;
    await expect(
      circuit.execute(async () => {
        tried = true;
      }),
    ).rejects.toThrow(CircuitOpenError);
    expect(tried).toBe(false);
  });

  it('lets one caller try after a while: success closes it, failure opens it again', async () => {
    const { circuit, clock } = breaker();
    for (let i = 0; i < 3; i += 1) await expect(circuit.execute(fail)).rejects.toThrow('away');
    clock.now = 1_000;
    expect(circuit.state).toBe('half-open');
    const trying = Promise.withResolvers<string>();
    const first = circuit.execute(() => trying.promise);
    await expect(circuit.execute(work)).rejects.toThrow(CircuitOpenError);
    trying.reject(new Error('still away'));
    await expect(first).rejects.toThrow('still away');
    expect(circuit.state).toBe('open');
    clock.now = 2_000;
    expect(await circuit.execute(work)).toBe('done');
    expect(circuit.state).toBe('closed');
  });

  it('counts the tries of one call as one failure', async () => {
    let tries = 0;
    const circuit = new CircuitBreaker({ name: 'test', failures: 2, halfOpenAfterMs: 1_000, attempts: 3, pauseMs: 0 });
    const failing = () => {
      tries += 1;
      return fail();
    };
    await expect(circuit.execute(failing)).rejects.toThrow('away');
    expect(tries).toBe(3);
    expect(circuit.state).toBe('closed');
    await expect(circuit.execute(failing)).rejects.toThrow('away');
    expect(circuit.state).toBe('open');
  });

  it('does not wait longer than allowed, but takes an answer that came while this process was busy', async () => {
    const circuit = new CircuitBreaker({
      name: 'test',
      failures: 1,
      halfOpenAfterMs: 1_000,
      attempts: 1,
      pauseMs: 0,
      timeoutMs: 20,
    });
    const { port1, port2 } = new MessageChannel();
    const answered = circuit.execute(
      () =>
        new Promise((resolve) => {
          port1.once('message', resolve);
        }),
    );
    port2.postMessage('answer');
    const busyUntil = performance.now() + 60;
    while (performance.now() < busyUntil);
    expect(await answered).toBe('answer');
    port1.close();
    await expect(circuit.execute(() => new Promise(() => undefined))).rejects.toThrow(AnswerTimeoutError);
    expect(circuit.state).toBe('open');
  });
});
