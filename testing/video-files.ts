import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';

/** A video file to be made: a moving test picture, and what recorders and editors put around it. */
export type VideoFile = {
  readonly container: Container;
  readonly codec: string;
  readonly seconds: number;
  readonly framesPerSecond: number;
  /** Frames are left out at odd places. */
  readonly uneven: boolean;
  readonly sound: 'none' | 'shorter' | 'same' | 'longer' | 'later';
  readonly odd: 'nothing' | 'cover' | 'subtitles' | 'timecode' | 'second sound';
  /** What the container's clock shows at the first frame. */
  readonly offsetSeconds: number;
  /** How far a player turns the picture, clockwise. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Written to a pipe, so that the header tells no length. */
  readonly live: boolean;
};
type Container = 'mp4' | 'mov' | 'webm' | 'mkv';

const CODECS = {
  mp4: ['libx264', 'libx265', 'mpeg4'],
  mov: ['libx264', 'mjpeg', 'prores_ks'],
  webm: ['libvpx', 'libvpx-vp9'],
  mkv: ['libx264', 'libvpx', 'mpeg4'],
} as const;
const SPEED: Readonly<Record<string, readonly string[]>> = {
  libx264: ['-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p'],
  libx265: ['-preset', 'ultrafast', '-x265-params', 'log-level=error', '-tag', 'hvc1', '-pix_fmt', 'yuv420p'],
  libvpx: ['-deadline', 'realtime'],
  'libvpx-vp9': ['-deadline', 'realtime', '-cpu-used', '8'],
  mjpeg: ['-pix_fmt', 'yuvj420p'],
};
const SOUND: Record<Container, string> = { mp4: 'aac', mov: 'pcm_s16le', webm: 'libopus', mkv: 'libmp3lame' };
const SUBTITLES: Record<Container, string> = { mp4: 'mov_text', mov: 'mov_text', webm: 'webvtt', mkv: 'srt' };

/** What may be in one file; a container that lacks a feature has the file without it. */
export const anyVideoFile: fc.Arbitrary<VideoFile> = fc
  .constantFrom<Container>('mp4', 'mov', 'webm', 'mkv')
  .chain((container) =>
    fc.record({
      container: fc.constant(container),
      codec: fc.constantFrom(...CODECS[container]),
      seconds: fc.constantFrom(0.04, 0.5, 1.2, 2.6),
      framesPerSecond: fc.constantFrom(10, 25, 50),
      uneven: fc.boolean(),
      sound: fc.constantFrom<VideoFile['sound']>('none', 'shorter', 'same', 'longer', 'later'),
      odd: fc.constantFrom<VideoFile['odd']>('nothing', 'cover', 'subtitles', 'timecode', 'second sound'),
      offsetSeconds: fc.constantFrom(0, 0, 5, 100),
      rotation: fc.constantFrom<VideoFile['rotation']>(0, 90, 180, 270),
      live: fc.boolean(),
    }),
  );

/** Width and height of the picture as it is stored. */
export const PICTURE = { width: 160, height: 90 };

/** Only MP4 and Matroska have a place for a cover. */
const hasCover = ({ container, odd }: VideoFile) => odd === 'cover' && (container === 'mp4' || container === 'mkv');

const isMp4 = ({ container }: VideoFile) => container === 'mp4' || container === 'mov';

/** Makes the file in a folder; resolves to its path. */
export async function makeVideoFile(dir: string, file: VideoFile): Promise<string> {
  const path = join(dir, `source.${file.container}`);
  const [inputs, outputs] = await tracks(dir, file);
  const live = file.live && !(hasCover(file) && isMp4(file));
  const form = { mp4: 'mp4', mov: 'mov', webm: 'webm', mkv: 'matroska' }[file.container];
  const target =
    live && !isMp4(file)
      ? ['-live', '1', '-f', form, 'pipe:1']
      : [...(live ? ['-movflags', 'frag_keyframe+empty_moov'] : []), '-y', path];
  const { stdout } = await promisify(execFile)(
    'ffmpeg',
    ['-v', 'error', ...inputs, ...outputs, '-output_ts_offset', String(file.offsetSeconds), ...target],
    { encoding: 'buffer', maxBuffer: 50_000_000 },
  );
  if (stdout.length > 0) await writeFile(path, stdout);
  if (isMp4(file)) await writeFile(path, turned(await readFile(path), file.rotation));
  if (isMp4(file) && hasCover(file)) await writeFile(path, coverFirst(await readFile(path)));
  return path;
}

type Words = { readonly inputs: readonly string[]; readonly outputs: readonly string[] };

async function tracks(dir: string, file: VideoFile): Promise<[string[], string[]]> {
  const { codec, seconds, framesPerSecond, uneven } = file;
  const picture = [
    '-f',
    'lavfi',
    '-i',
    `testsrc2=size=${String(PICTURE.width)}x${String(PICTURE.height)}:rate=${String(framesPerSecond)}:duration=${String(seconds)}`,
  ];
  const sound = soundOf(file);
  const odd = await oddTrack(dir, file, sound.inputs.length === 0 ? 1 : 2);
  const rhythm = uneven ? ['-filter:v:0', 'select=not(mod(n\\,3))+not(mod(n\\,7))'] : [];
  // For the picture alone, or the encoder of the cover would take them too.
  const own = (SPEED[codec] ?? []).map((word) => (word.startsWith('-') ? `${word}:v:0` : word));
  return [
    [...picture, ...sound.inputs, ...odd.inputs],
    ['-map', '0:v', ...sound.outputs, ...odd.outputs, ...rhythm, '-c:v:0', codec, ...own],
  ];
}

function soundOf({ container, seconds, sound, odd }: VideoFile): Words {
  if (sound === 'none') return { inputs: [], outputs: [] };
  const length = { shorter: seconds / 2, same: seconds, longer: seconds + 3, later: seconds }[sound];
  return {
    inputs: [
      ...(sound === 'later' ? ['-itsoffset', '0.3'] : []),
      '-f',
      'lavfi',
      '-i',
      `sine=frequency=440:duration=${String(length)}`,
    ],
    outputs: ['-map', '1:a', '-c:a', SOUND[container], ...(odd === 'second sound' ? ['-map', '1:a'] : [])],
  };
}

async function oddTrack(dir: string, file: VideoFile, next: number): Promise<Words> {
  if (file.odd === 'subtitles') {
    await writeFile(join(dir, 'words.srt'), '1\n00:00:00,000 --> 00:00:09,000\nwords\n');
    return {
      inputs: ['-i', join(dir, 'words.srt')],
      outputs: ['-map', `${String(next)}:s`, '-c:s', SUBTITLES[file.container]],
    };
  }
  if (hasCover(file)) {
    return {
      inputs: ['-f', 'lavfi', '-i', 'color=red:size=64x64:duration=0.04:rate=25'],
      outputs: [
        '-map',
        `${String(next)}:v`,
        '-c:v:1',
        'mjpeg',
        '-pix_fmt:v:1',
        'yuvj420p',
        '-disposition:v:1',
        'attached_pic',
      ],
    };
  }
  return {
    inputs: [],
    outputs: file.odd === 'timecode' && file.container !== 'webm' ? ['-timecode', '01:00:00:00'] : [],
  };
}

/** Writes how to turn the picture into the header of the first track, as cameras do. */
function turned(bytes: Buffer, rotation: VideoFile['rotation']): Buffer {
  const header = bytes.indexOf('tkhd') + 4;
  const matrix = header + (bytes[header] === 1 ? 52 : 40);
  const [cos, sin] = { 0: [1, 0], 90: [0, 1], 180: [-1, 0], 270: [0, -1] }[rotation] as [number, number];
  for (const [at, value] of [
    [0, cos],
    [4, sin],
    [12, -sin],
    [16, cos],
  ] as const)
    bytes.writeInt32BE(value * 65_536, matrix + at);
  return bytes;
}

/** Moves the metadata, with the cover in it, before the tracks; some editors write them in that order. */
function coverFirst(bytes: Buffer): Buffer {
  const moov = bytes.indexOf('moov') - 4;
  const end = moov + bytes.readUInt32BE(moov);
  const udta = bytes.indexOf('udta', moov) - 4;
  const size = bytes.readUInt32BE(udta);
  const firstTrack = bytes.indexOf('trak', moov) - 4;
  if (udta + size > end || !bytes.subarray(udta, udta + size).includes('covr')) throw new Error('No cover was written');
  return Buffer.concat([
    bytes.subarray(0, firstTrack),
    bytes.subarray(udta, udta + size),
    bytes.subarray(firstTrack, udta),
    bytes.subarray(udta + size),
  ]);
}
