import { runTool } from '../media/tool-process.ts';

const LOOK_LIMIT_MS = 5_000;

type Programs = { readonly ffmpeg: string; readonly ffprobe: string };

/**
 * Looks for what videos are made with where the media workers would; what lacks costs videos only, so that it is a
 * warning.
 */
export async function examineVideoPrograms(
  setting: 'auto' | 'on' | 'off',
  programs: Programs = { ffmpeg: 'ffmpeg', ffprobe: 'ffprobe' },
): Promise<string | { readonly warning: string }> {
  if (setting === 'off') return 'not used: VIDEO_UPLOADS=off';
  if (setting === 'on') return 'not looked for: VIDEO_UPLOADS=on, so other machines have it';
  const [version, probe, converter] = await Promise.all([
    look(programs.ffmpeg, ['-version']),
    look(programs.ffprobe, ['-version']),
    look(programs.ffmpeg, ['-v', 'quiet', '-h', 'filter=zscale']),
  ]);
  if (version === undefined) return { warning: `${programs.ffmpeg} is not installed: videos are refused` };
  if (probe === undefined) return { warning: `${programs.ffprobe} is not installed: videos are refused` };
  if (converter === undefined || !converter.startsWith('Filter zscale'))
    return { warning: `${version} was built without libzimg: videos in HDR are refused` };
  return version;
}

/** The first line that a program answers with; undefined when it does not. */
async function look(program: string, args: readonly string[]): Promise<string | undefined> {
  const end = await runTool({ program, args, timeoutMs: LOOK_LIMIT_MS });
  return end.kind === 'done' ? (end.output.split('\n')[0] ?? '') : undefined;
}
