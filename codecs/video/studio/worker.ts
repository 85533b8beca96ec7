/** The entry of the studio's thread; started through worker.js. */
import { parentPort } from 'node:worker_threads';
import { Refusal } from '../../../src/kit/refusal.ts';
import { loadVideoAv } from '../av.ts';
import { leaveWhenTold } from '../farewell.ts';
import { openPattern, type Pattern } from '../pattern.ts';
import { planesOf, readPattern } from '../pattern-read.ts';
import { openPictureDecoder, type PictureDecoder } from '../picture-decoder.ts';
import type { FromStudio, Seen, ToStudio } from './wire.ts';

const patterns = new Map<number, Pattern>();
const decoders = new Map<number, PictureDecoder>();
const say = (m: FromStudio): void => parentPort?.postMessage(m);

async function handle(m: ToStudio): Promise<void> {
  switch (m.type) {
    case 'draw':
      return void patterns.set(m.job, await openPattern(m.options));
    case 'next': {
      const pattern = patterns.get(m.job);
      if (pattern === undefined) return;
      if (m.key) pattern.requestKey();
      return say({ type: 'drawn', job: m.job, picture: pattern.next(m.clockMs) });
    }
    case 'look':
      return void decoders.set(m.job, await openPictureDecoder(m.codec));
    case 'coded': {
      const decoder = decoders.get(m.job);
      return decoder && say({ type: 'seen', job: m.job, ...decoded(decoder, m.bytes, m.pts) });
    }
    case 'close':
      return close(m.job);
  }
}

function decoded(decoder: PictureDecoder, bytes: Uint8Array, pts: number): Seen {
  const pictures: Seen['pictures'][number][] = [];
  const whole = decoder.decode(bytes, pts, frame => {
    const { width, height, linesize, data } = frame;
    const pattern = readPattern(planesOf({ width, height, data: data ?? [], strides: linesize }));
    pictures.push({ width, height, ...(pattern && { pattern }) });
  });
  return { whole, pictures };
}

function close(job: number): void {
  patterns.get(job)?.close();
  decoders.get(job)?.close();
  patterns.delete(job);
  decoders.delete(job);
}

leaveWhenTold(parentPort);
/** One after the other: opening takes a turn of the event loop. */
let queue: Promise<void> = Promise.resolve();
parentPort?.on('message', (m: ToStudio) => {
  queue = queue.then(async () => {
    try {
      await handle(m);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      close(m.job);
      say({ type: 'failed', job: m.job, why: error.why });
    }
  });
});

try {
  await loadVideoAv();
  say({ type: 'ready' });
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  say({ type: 'missing', why: error.why });
}
