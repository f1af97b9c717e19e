import { ensurePrograms, FFMPEG } from './programs.ts';
import { describeFailure } from '../start-error.ts';

/** Nobody waits long for what they can do without. */
const LOCK_PATIENCE = { limitMs: 60_000, pauseMs: 2_000 };

/**
 * Installs what videos are made with, unless `VIDEO_UPLOADS` says that this machine makes none (`off`, or `on` where
 * others do). Where it cannot be had everything else still works: a line says why, and the write API refuses videos.
 */
export function prepareVideoPrograms(setting: string | undefined, print: (line: string) => void): void {
  if (setting === 'off' || setting === 'on') return;
  try {
    ensurePrograms([FFMPEG], print, LOCK_PATIENCE);
  } catch (error) {
    print(`  Videos will be refused: ${describeFailure(error)}`);
  }
}
