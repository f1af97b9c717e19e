import { runTool } from '../../media/tool-process.ts';

/**
 * `auto`: whether the video programs answer on this machine; `on` and `off` where videos are made elsewhere, or not
 * wanted.
 */
type VideoUploads = 'auto' | 'on' | 'off';

const LOOK_LIMIT_MS = 5_000;
const REMEMBERED_MS = 60_000;

/** Says whether videos can be made ready; under `auto` it looks for the programs at most once a minute. */
export function videoSupport(
  setting: VideoUploads,
  programs: readonly string[] = ['ffmpeg', 'ffprobe'],
  now: () => number = () => performance.now(),
): () => Promise<boolean> {
  if (setting !== 'auto') return () => Promise.resolve(setting === 'on');
  let known: { readonly at: number; readonly found: Promise<boolean> } | undefined;
  return () => {
    if (known === undefined || now() - known.at >= REMEMBERED_MS) known = { at: now(), found: allAnswer(programs) };
    return known.found;
  };
}

async function allAnswer(programs: readonly string[]): Promise<boolean> {
  const ends = await Promise.all(
    programs.map((program) => runTool({ program, args: ['-version'], timeoutMs: LOOK_LIMIT_MS })),
  );
  return ends.every(({ kind }) => kind === 'done');
}
