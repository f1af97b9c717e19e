import { Presets, SingleBar } from 'cli-progress';

/** Shows how far long work has come: a bar on a terminal, one JSON line a second elsewhere. */
export type Progress = {
  /** `done` of `total` units so far; `total` may grow. */
  at(done: number, total: number): void;
  /** Shows the final state. Further calls do nothing. */
  end(): void;
};

const LINE_EVERY_MS = 1_000;

/** Starts to show one step of work, counted in `unit`s (plural). `json` asks for lines on a terminal, too. */
export function showProgress(step: string, options: { unit: string; json: boolean }): Progress {
  return forPeople(options) ? bar(step, options.unit) : lines(step, options.unit);
}

/** Says something beside the progress: a sentence on a terminal, a JSON line elsewhere. */
export function remark(sentence: string, facts: Readonly<Record<string, unknown>>, options: { json: boolean }): void {
  process.stderr.write(`${forPeople(options) ? sentence : JSON.stringify({ ...facts, message: sentence })}\n`);
}

function forPeople({ json }: { json: boolean }): boolean {
  return process.stderr.isTTY && !json;
}

function bar(step: string, unit: string): Progress {
  const format = `${step.padEnd(24)} {bar} {percentage}% | {value}/{total} ${unit} | {rate}/s | {eta_formatted} left`;
  const shown = new SingleBar(
    { format, stream: process.stderr, hideCursor: true, etaBuffer: 100 },
    Presets.shades_classic,
  );
  const started = performance.now();
  let running = false;
  let ended = false;
  return {
    at: (done, total) => {
      if (ended) return;
      if (!running) shown.start(total, done, { rate: 0 });
      running = true;
      shown.setTotal(total);
      shown.update(done, { rate: rateOf(done, started) });
    },
    end: () => {
      if (running && !ended) shown.stop();
      ended = true;
    },
  };
}

function lines(step: string, unit: string): Progress {
  const started = performance.now();
  let last: { done: number; total: number } | undefined;
  let shownAt = -LINE_EVERY_MS;
  let ended = false;
  const print = ({ done, total }: { done: number; total: number }) => {
    const rate = rateOf(done, started);
    const etaSeconds = rate === 0 ? null : Math.ceil((total - done) / rate);
    process.stderr.write(`${JSON.stringify({ step, unit, done, total, per_second: rate, eta_seconds: etaSeconds })}\n`);
  };
  return {
    at: (done, total) => {
      if (ended) return;
      last = { done, total };
      if (performance.now() - shownAt < LINE_EVERY_MS) return;
      shownAt = performance.now();
      print(last);
    },
    end: () => {
      if (last !== undefined && !ended) print(last);
      ended = true;
    },
  };
}

function rateOf(done: number, started: number): number {
  const seconds = (performance.now() - started) / 1_000;
  return seconds < 0.1 ? 0 : Math.round(done / seconds);
}
