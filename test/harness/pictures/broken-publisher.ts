import { openEncoder } from '../../../codecs/audio.ts';
import { writeAvcc } from '../../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../../codecs/h264/nal.ts';
import { openPattern, type PatternPicture } from '../../../codecs/video/pattern.ts';
import { systemClock } from '../../../src/io/clock.ts';
import {
  aacConfigTag,
  aacFrameTag,
  avcConfigTag,
  avcFrameTag,
  type Parts,
} from '../../../src/proto/rtmp/flv.ts';
import { rtmpClient } from '../peers/rtmp-client.ts';

const RATE_HZ = 48_000;
const FRAME_MS = (1024 * 1000) / RATE_HZ;
const FPS = 15;
/** Pictures of one kind of breakage, one after the other. */
const EACH = 8;
/** H.264 of millions of macroblocks. */
const ABSURD_SPS = Buffer.from('6742001ef400010000004000000fff', 'hex');
const ENDLESS_BYTES = 1_000_000;

/** What is sent instead of a picture of ours; `noise`: as many bytes of it. */
type Break = (picture: PatternPicture, noise: (bytes: number) => Buffer) => readonly Parts[];

const slices = (p: PatternPicture): Uint8Array[] => p.units.filter(u => !isParameterSet(u));
const sets = (p: PatternPicture, type: number): Uint8Array[] => p.units.filter(u => nalType(u) === type);
const config = (p: PatternPicture): Parts =>
  avcConfigTag(writeAvcc(sets(p, NalType.sps), sets(p, NalType.pps)));
const header = (sps: Uint8Array[], p: PatternPicture): Parts =>
  avcConfigTag(
    Buffer.concat([Buffer.of(1, 66, 0, 30, 0xff, 0xe0 | sps.length), ...sps, ...sets(p, NalType.pps)]),
  );

/** From what never was a picture to what looks like one; each keyframe carries parameter sets. */
const BREAKS: readonly Break[] = [
  p => [avcFrameTag(true, 0, slices(p))], // no parameter sets yet
  p => [header([], p), avcFrameTag(true, 0, slices(p))], // no SPS
  p => [avcConfigTag(writeAvcc([ABSURD_SPS], sets(p, NalType.pps))), avcFrameTag(true, 0, [...slices(p)])],
  p => [config(p), avcFrameTag(true, 0, slices(p))], // a good one: from here on it is seen
  p => [
    avcFrameTag(true, 0, slices(p)).map((part, i) => (i === 1 ? Buffer.of(0x7f, 0xff, 0xff, 0xff) : part)),
  ],
  p => [
    avcFrameTag(
      true,
      0,
      slices(p).map(u => u.subarray(0, u.length >> 1)),
    ),
  ], // truncated
  (p, noise) => [
    avcFrameTag(
      true,
      0,
      slices(p).map(u => Buffer.concat([u.subarray(0, 1), noise(u.length)])),
    ),
  ],
  (_p, noise) => [avcFrameTag(false, 0, [Buffer.concat([Buffer.of(0x61), noise(ENDLESS_BYTES)])])],
  p => [
    avcFrameTag(
      false,
      0,
      slices(p).map(u => u.subarray(0, 2)),
    ),
  ],
];

/** A publisher of a good tone and of every kind of broken H.264, in turn, again and again. */
export async function publishBroken(o: {
  readonly port: number;
  /** `room/1000/alice`. */
  readonly path: string;
  readonly toneHz: number;
  random(): number;
}): Promise<() => void> {
  const pattern = await openPattern({ codec: 'H264', width: 640, height: 360, fps: FPS, colour: 'red' });
  const tone = await openEncoder({ codec: 'AAC', clockRate: RATE_HZ, channels: 1 }, RATE_HZ);
  const client = await rtmpClient(o.port, 'publish', o.path, systemClock);
  await client.until(e => e.type === 'ready');
  const send = (media: 'audio' | 'video', timestampMs: number, parts: Parts): void =>
    client.send({ type: 'media', media, timestampMs: Math.round(timestampMs), parts });
  const noise = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, () => o.random() * 256));
  send('audio', 0, aacConfigTag(Buffer.from(tone.format.fmtp?.config ?? '', 'hex')));
  const began = Date.now();
  let sounded = 0;
  let shown = 0;
  const step = (): void => {
    const atMs = Date.now() - began;
    for (; sounded * FRAME_MS < atMs; sounded++) {
      const pcm = Int16Array.from({ length: 1024 }, (_, i) => {
        const t = (sounded * 1024 + i) / RATE_HZ;
        return 3277 * Math.sin(2 * Math.PI * o.toneHz * t);
      });
      tone.encode(pcm, unit => send('audio', sounded * FRAME_MS, aacFrameTag(unit.slice())));
    }
    for (; (shown * 1000) / FPS < atMs; shown++) {
      const broken = BREAKS[Math.floor(shown / EACH) % BREAKS.length] as Break;
      pattern.requestKey();
      for (const parts of broken(pattern.next(Date.now()), noise)) send('video', (shown * 1000) / FPS, parts);
    }
  };
  const timer = setInterval(step, 10);
  return () => {
    clearInterval(timer);
    pattern.close();
    tone.close();
    client.kill();
  };
}
