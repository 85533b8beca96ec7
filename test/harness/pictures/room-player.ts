import { createReadStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Size } from '../../../codecs/video/fit.ts';
import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import { type PatternSeen, type Pixels, planesOf, readPattern } from '../../../codecs/video/pattern-read.ts';
import { Child } from '../child.ts';
import { ffmpeg } from './clips.ts';

/** Every picture is brought to this size: what is read of it are shares of its width and height. */
export const SCREEN: Size = { width: 640, height: 360 };

/** A picture as a receiver showed it. */
export interface Shown {
  /** When it was decoded, ms of the wall clock. */
  readonly at: number;
  readonly seen: PatternSeen | undefined;
}

/** A live-player: decodes what it gets as it comes, and keeps the stream in a file. */
export class RoomPlayer {
  readonly child: Child;
  /** All pictures, as they were decoded. */
  readonly shown: Shown[] = [];
  /** The newest picture itself. */
  picture: Pixels | undefined;
  /** The stream as it came. */
  readonly file: string;

  constructor(dir: string, url: string) {
    mkdirSync(dir, { recursive: true });
    this.file = join(dir, 'played.flv');
    const quick = '-flags low_delay -analyzeduration 3000000 -rtmp_buffer 200 -threads 1';
    const screen = `-map 0:v -fps_mode passthrough -s ${SCREEN.width}x${SCREEN.height} -pix_fmt yuv420p -f rawvideo`;
    this.child = new Child(
      'ffmpeg player',
      'ffmpeg',
      [
        ...'-hide_banner -nostdin -y -loglevel warning'.split(' '),
        ...[...quick.split(' '), '-i', url],
        ...['-map', '0', '-c', 'copy', this.file],
        ...[...screen.split(' '), '-flush_packets', '1', 'pipe:3'],
      ],
      { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] },
    );
    cut(this.child.process.stdio[3] as Readable, SCREEN, picture => {
      this.picture = picture;
      this.shown.push({ at: Date.now(), seen: readPattern(picture) });
    });
  }

  /** Resolves when this is what it shows. */
  async shows(colour: PatternColour, timeoutMs = 10_000): Promise<void> {
    for (const until = Date.now() + timeoutMs; this.shown.at(-1)?.seen?.colour !== colour; ) {
      if (Date.now() > until) throw new Error(`the player shows no ${colour}; it said: ${this.child.output}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  /** What its file shows, decoded after all is over; undefined where a picture is none of ours. */
  async filed(): Promise<(PatternSeen | undefined)[]> {
    const raw = `${this.file}.yuv`;
    const size = `${SCREEN.width}x${SCREEN.height}`;
    await ffmpeg(
      '-i',
      this.file,
      '-map',
      '0:v',
      '-fps_mode',
      'passthrough',
      '-s',
      size,
      '-f',
      'rawvideo',
      raw,
    );
    const all: (PatternSeen | undefined)[] = [];
    const file = createReadStream(raw);
    cut(file, SCREEN, picture => all.push(readPattern(picture)));
    await finished(file);
    return all;
  }

  /** SIGINT, so that it finishes its file. */
  stop(): Promise<number | null> {
    return this.child.stop('SIGINT');
  }
}

/** Cuts raw 4:2:0 pictures out of a stream of bytes. */
function cut(from: Readable, { width, height }: Size, take: (picture: Pixels) => void): void {
  const luma = width * height;
  const bytes = luma * 1.5;
  let gathered = Buffer.alloc(bytes);
  let filled = 0;
  from.on('data', (data: Buffer) => {
    for (let at = 0; at < data.length; ) {
      const taken = data.copy(gathered, filled, at);
      at += taken;
      filled += taken;
      if (filled < bytes) continue;
      const data3 = [gathered, gathered.subarray(luma), gathered.subarray(luma * 1.25)];
      take(planesOf({ width, height, data: data3, strides: [width, width / 2, width / 2] }));
      gathered = Buffer.alloc(bytes);
      filled = 0;
    }
  });
}
