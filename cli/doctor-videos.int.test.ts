import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireTool } from '../testing/external-tools.ts';
import { examineVideoPrograms } from './doctor-videos.ts';

const hasFfmpeg = await requireTool('ffmpeg');

describe('what doctor says of the video programs', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'doctor-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('is a warning where one of them is missing', async () => {
    expect(await examineVideoPrograms('auto', { ffmpeg: 'no-such-ffmpeg', ffprobe: 'sh' })).toEqual({
      warning: 'no-such-ffmpeg is not installed: videos are refused',
    });
    const ffmpeg = await program('with-a-version', 'echo "ffmpeg version 9"');
    expect(await examineVideoPrograms('auto', { ffmpeg, ffprobe: 'no-such-ffprobe' })).toEqual({
      warning: 'no-such-ffprobe is not installed: videos are refused',
    });
  });

  it.skipIf(!hasFfmpeg)('is the version of those that can do everything', async () => {
    expect(await examineVideoPrograms('auto')).toMatch(/^ffmpeg version /);
  });

  it.skipIf(!hasFfmpeg)('is a warning where HDR cannot be converted', async () => {
    const lesser = await program('lesser', 'exec ffmpeg "${@//zscale/no_such_scale}"');
    expect(await examineVideoPrograms('auto', { ffmpeg: lesser, ffprobe: 'ffprobe' })).toEqual({
      warning: expect.stringMatching(/^ffmpeg version .* without libzimg: videos in HDR are refused$/),
    });
  });

  it('is nothing where they are not wanted', async () => {
    const none = { ffmpeg: 'no-such-ffmpeg', ffprobe: 'no-such-ffprobe' };
    expect(await examineVideoPrograms('off', none)).toContain('VIDEO_UPLOADS=off');
    expect(await examineVideoPrograms('on', none)).toContain('VIDEO_UPLOADS=on');
  });

  async function program(name: string, body: string): Promise<string> {
    const path = join(dir, name);
    await writeFile(path, `#!/bin/bash\n${body}\n`);
    await chmod(path, 0o755);
    return path;
  }
});
