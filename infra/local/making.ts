import { Presets, SingleBar } from 'cli-progress';

/** Shows how far a step of the start is. */
export type Making = {
  at(done: number, total: number): void;
  /** Takes the bar away; the line of the finished step follows. */
  end(): void;
};

const LINE_EVERY_MS = 5_000;
const NAME_WIDTH = 13;

/** A bar on a terminal; elsewhere a plain line by `print`, at most one in five seconds. */
export function showMaking(
  name: string,
  print: (line: string) => void,
  options: { terminal?: boolean; now?: () => number } = {},
): Making {
  return (options.terminal ?? process.stdout.isTTY)
    ? bar(name)
    : lines(name, print, options.now ?? (() => performance.now()));
}

function bar(name: string): Making {
  const shown = new SingleBar(
    {
      format: `  ${name.padEnd(NAME_WIDTH)} {bar} {percentage}% | {eta_formatted} left`,
      stream: process.stdout,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 30,
    },
    Presets.shades_classic,
  );
  let running = false;
  return {
    at: (done, total) => {
      if (!running) shown.start(total, done);
      running = true;
      shown.update(done);
    },
    end: () => {
      if (running) shown.stop();
    },
  };
}

function lines(name: string, print: (line: string) => void, now: () => number): Making {
  let shownAt = now();
  return {
    at: (done, total) => {
      if (now() - shownAt < LINE_EVERY_MS) return;
      shownAt = now();
      print(`  ${name.padEnd(NAME_WIDTH)} ${Math.floor((done / total) * 100)} %`);
    },
    end: () => undefined,
  };
}
