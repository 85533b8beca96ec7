/** Pictures on their way through transcoders, for tests. */
import type { Clock, Format, MediaPacket, VideoCodec } from '../../../src/contract.ts';
import { openVideoDecoder } from '../decoder.ts';
import type { Rect } from '../fit.ts';
import { type PatternSeen, planesOf, readPattern } from '../pattern-read.ts';

/** The real clock; what is under test compares nothing with it but delays. */
export const realClock: Clock = {
  now: () => performance.now(),
  at(when, run) {
    const timer = setTimeout(run, Math.max(0, when - performance.now()));
    return () => clearTimeout(timer);
  },
};

export const h264 = (fmtp: Record<string, string> = {}): Format => ({
  codec: 'H264',
  clockRate: 90_000,
  fmtp: { 'profile-level-id': '42e01f', 'packetization-mode': '1', ...fmtp },
});
export const vp8 = (fmtp: Record<string, string> = {}): Format => ({ codec: 'VP8', clockRate: 90_000, fmtp });

export const copyPacket = (p: MediaPacket): MediaPacket => ({
  ...p,
  payload: p.payload.slice(),
  ...(p.frame && { frame: { ...p.frame } }),
});

/** What a worker that fails in this way runs (a file's address loses its query on the way into a worker). */
export const failingWorker = (mode: string): URL =>
  new URL(
    `data:text/javascript,globalThis.mode='${mode}';await import('${new URL('./worker.js', import.meta.url)}')`,
  );

/** Fails by the test's own timeout. */
export async function until(fulfilled: () => boolean): Promise<void> {
  while (!fulfilled()) await new Promise(resolve => setTimeout(resolve, 5));
}

export interface Seen {
  readonly width: number;
  readonly height: number;
  readonly pts: number;
  readonly patterns: readonly (PatternSeen | undefined)[];
}

/** Decodes packets as they come and reads the pattern in each picture, or one in each of `areas`. */
export async function openViewer(
  codec: VideoCodec,
  areas?: (p: { width: number; height: number }) => Rect[],
) {
  const seen: Seen[] = [];
  const packets: MediaPacket[] = [];
  const decoder = await openVideoDecoder(codec, (picture, pts) => {
    const pixels = planesOf(picture);
    const { width, height } = picture;
    const patterns = areas ? areas(picture).map(area => readPattern(pixels, area)) : [readPattern(pixels)];
    seen.push({ width, height, pts, patterns });
  });
  return {
    seen,
    packets,
    push(p: MediaPacket): void {
      packets.push(copyPacket(p));
      decoder.push(p);
    },
    close: () => decoder.close(),
  };
}
