/** What members show: each its own colour, with the number of the picture burned in, as the files their programs play. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAnnexB } from '../../../codecs/h264/annexb.ts';
import type { Size } from '../../../codecs/video/fit.ts';
import { openPattern } from '../../../codecs/video/pattern.ts';
import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import { type PatternSeen, type Pixels, readPattern, rgbOf } from '../../../codecs/video/pattern-read.ts';
import { Child } from '../child.ts';

export const FPS = 15;
/** Stills are brought to this size: what is read of them are shares of their width and height. */
const LOOK = { width: 320, height: 240 };

export interface ClipOptions {
  readonly dir: string;
  readonly colour: PatternColour;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  /** Played so many times in all; default once. */
  readonly times?: number;
}

/** Runs ffmpeg to its end. */
export async function ffmpeg(...args: string[]): Promise<void> {
  const child = new Child('ffmpeg', 'ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args]);
  const code = await child.exited;
  if (code !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ended with ${code}: ${child.output}`);
}

/** An MP4 of baseline H.264, a keyframe every 3 s as mini-programs send them; its path. */
export async function clip(o: ClipOptions): Promise<string> {
  mkdirSync(o.dir, { recursive: true });
  const pattern = await openPattern({ ...o, codec: 'H264', fps: FPS });
  const units: Uint8Array[] = [];
  for (let i = 0; i < o.seconds * FPS; i++) {
    if (i % (3 * FPS) === 0) pattern.requestKey();
    units.push(...pattern.next((i * 1000) / FPS).units);
  }
  pattern.close();
  const raw = join(o.dir, `${o.colour}.h264`);
  const file = join(o.dir, `${o.colour}.mp4`);
  writeFileSync(raw, writeAnnexB(units));
  await ffmpeg('-r', String(FPS), '-i', raw, '-c', 'copy', `${raw}.mp4`);
  await ffmpeg('-stream_loop', String((o.times ?? 1) - 1), '-i', `${raw}.mp4`, '-c', 'copy', file);
  return file;
}

/** The same as raw pictures, which Chromium's fake camera plays over and over. */
export async function cameraFile(o: ClipOptions): Promise<string> {
  const file = join(o.dir, `${o.colour}.y4m`);
  await ffmpeg('-i', await clip(o), '-pix_fmt', 'yuv420p', file);
  return file;
}

/** The first `count` pictures one by one, for who shows still ones: paths of JPEG files. */
export async function stills(o: ClipOptions, count: number): Promise<string[]> {
  const name = (i: number): string => join(o.dir, `${o.colour}-${i}.jpg`);
  const pictures = ['-frames:v', String(count), '-q:v', '2', '-start_number', '0'];
  await ffmpeg('-i', await clip(o), ...pictures, join(o.dir, `${o.colour}-%d.jpg`));
  return Array.from({ length: count }, (_, i) => name(i));
}

/** Still pictures from files (of one kind: PNG or JPEG), read by a decoder that is not ours; all brought to one size. */
export async function openStills(files: readonly string[], { width, height }: Size): Promise<Pixels[]> {
  if (files.length === 0) return [];
  const all = `${files[0]}.all`;
  const bytesOf = files.map(file => readFileSync(file));
  writeFileSync(all, Buffer.concat(bytesOf));
  const codec = bytesOf[0]?.[0] === 0x89 ? 'png' : 'mjpeg';
  const raw = `${all}.rgb`;
  const scaled = ['-vf', `scale=${width}:${height}`, '-fps_mode', 'passthrough', '-pix_fmt', 'rgb24'];
  await ffmpeg('-f', 'image2pipe', '-c:v', codec, '-i', all, ...scaled, '-f', 'rawvideo', raw);
  const pixels = readFileSync(raw);
  const bytes = width * height * 3;
  return files.map((_, i) => rgbOf(width, height, pixels.subarray(i * bytes, (i + 1) * bytes), 3));
}

/** What they show. */
export const readStills = async (files: readonly string[]): Promise<(PatternSeen | undefined)[]> =>
  (await openStills(files, LOOK)).map(picture => readPattern(picture));

/** Sizes of the pictures in a file, as they follow each other: `640x480`. */
export async function sizesIn(file: string): Promise<string[]> {
  const entries = ['-select_streams', 'v', '-show_entries', 'frame=width,height', '-of', 'csv=p=0:s=x'];
  const child = new Child('ffprobe', 'ffprobe', ['-v', 'error', ...entries, file]);
  await child.exited;
  const all = child.output.split('\n').filter(line => /^\d+x\d+$/.test(line));
  return all.filter((size, i) => size !== all[i - 1]);
}
