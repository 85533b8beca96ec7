import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { readWav, type Sound, writeWav } from '../wav.ts';

/** Publishes as a mini-program's live-pusher does: baseline H.264 portrait, a 3 s group of pictures, AAC mono. */
export function publish(dir: string, url: string, plays: Sound): Child {
  mkdirSync(dir, { recursive: true });
  const wav = join(dir, 'plays.wav');
  writeWav(wav, plays);
  return new Child('ffmpeg publisher', 'ffmpeg', [
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'info',
    '-re',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=360x640:rate=15',
    '-re',
    '-i',
    wav,
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-tune',
    'zerolatency',
    '-profile:v',
    'baseline',
    '-bf',
    '0',
    '-g',
    '45',
    '-keyint_min',
    '45',
    '-sc_threshold',
    '0',
    '-b:v',
    '500k',
    '-maxrate',
    '500k',
    '-bufsize',
    '500k',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
    '-ar',
    '48000',
    '-ac',
    '1',
    '-b:a',
    '48k',
    '-flvflags',
    'no_duration_filesize',
    '-f',
    'flv',
    url,
  ]); // prettier-ignore
}

/** Plays like a live-player, into a file of its sound. */
export class Player {
  readonly child: Child;
  readonly #wav: string;
  constructor(dir: string, url: string) {
    mkdirSync(dir, { recursive: true });
    this.#wav = join(dir, 'heard.wav');
    this.child = new Child('ffmpeg player', 'ffmpeg', [
      '-hide_banner',
      '-nostdin',
      '-y',
      '-loglevel',
      'info',
      '-fflags',
      'nobuffer',
      '-flags',
      'low_delay',
      '-analyzeduration',
      '300000',
      '-rtmp_buffer',
      '200',
      '-i',
      url,
      '-vn',
      '-c:a',
      'pcm_s16le',
      '-f',
      'wav',
      '-flush_packets',
      '1',
      this.#wav,
    ]); // prettier-ignore
  }
  heard(): Sound {
    return readWav(this.#wav);
  }
  /** SIGINT, so that it finishes its file. */
  stop(): Promise<number | null> {
    return this.child.stop('SIGINT');
  }
}
