/** A real phone with a camera: what it shows reaches the room, what the room shows is decoded by it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { writeAnnexB } from '../../codecs/h264/annexb.ts';
import { h264Depacketizer } from '../../codecs/h264/depacketize.ts';
import { missingForVideo } from '../../codecs/video/av.ts';
import { openPattern, type PatternOptions } from '../../codecs/video/pattern.ts';
import { type PatternSeen, readPattern, rgbOf } from '../../codecs/video/pattern-read.ts';
import { vp8Depacketizer } from '../../codecs/vp8/depacketize.ts';
import type { Leg, LegEvent, MediaPacket, PlacedLeg } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { missing } from '../../test/harness/child.ts';
import { FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { toneOf } from '../../test/harness/heard.ts';
import { Baresip } from '../../test/harness/peers/baresip.ts';
import { endAll, onEnd } from '../../test/harness/sip-agent.ts';
import { createSipAgent } from './agent.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';

afterEach(endAll);

const MODULES = '/usr/lib/baresip/modules';
const noCodec = missingForVideo();
const peers = missing('baresip', 'ffmpeg') || noCodec !== undefined || !existsSync(`${MODULES}/avcodec.so`);
if (peers) console.warn(`skipped: baresip with avcodec and ffmpeg are needed; ${noCodec ?? ''}`);

const CLIP = { width: 640, height: 480, fps: 15 } as const;

const soon = (there: () => boolean, timeout = 10_000): Promise<unknown> =>
  vi.waitUntil(there, { timeout, interval: 20 });

/** Pictures of our own in a file a phone plays. */
async function clip(dir: string, colour: PatternOptions['colour']): Promise<string> {
  const pattern = await openPattern({ ...CLIP, codec: 'H264', colour });
  const units = Array.from({ length: 300 }, (_, i) => pattern.next(i * 66).units).flat();
  pattern.close();
  writeFileSync(join(dir, 'clip.h264'), writeAnnexB(units));
  const file = join(dir, 'clip.mp4');
  ffmpeg('-y', '-r', String(CLIP.fps), '-i', join(dir, 'clip.h264'), '-c', 'copy', file);
  return file;
}

function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-v', 'error', ...args]);
}

/** The last picture of a file, read by a decoder that is not ours. */
function lastPicture(file: string): PatternSeen | undefined {
  const { width, height } = CLIP;
  const raw = `${file}.rgb`;
  ffmpeg('-y', '-i', file, '-pix_fmt', 'rgb24', '-c:v', 'rawvideo', '-f', 'image2', '-update', '1', raw);
  return readPattern(rgbOf(width, height, readFileSync(raw), 3));
}

/** Front and agent with nothing between them, a seat without a room. */
async function gateway() {
  const c = sipConfig.parse({ address: '127.0.0.1', port: 0, rtpPorts: { min: 0, max: 0 } });
  const seat = new FakeSeat();
  let leg: Leg | undefined;
  let emit: (e: LegEvent) => void = () => {};
  const agent = createSipAgent(fakeHost(), c, 'sip-1');
  await agent.start();
  const host = fakeHost({
    async place(request, on): Promise<PlacedLeg> {
      emit = on;
      const taken = (leg = await agent.take(request, seat, on));
      return { id: request.leg, agent: 'sip-1', participant: 'bob', secret: '', send: x => taken.handle(x) };
    },
  });
  const front = createSipFront(host, c);
  const [address] = await front.start();
  onEnd(async () => {
    await front.close({ blame: 'server', reason: 'shutting-down' });
    await agent.close();
  });
  return {
    seat,
    leg: () => leg as Leg,
    emit: (e: LegEvent) => emit(e),
    sip: address!.url.replace(/^sip:1000@/, ''),
  };
}

/** Shows the room's picture until the test ends; it begins in the middle of a group, and obeys who asks. */
async function show(
  seat: FakeSeat,
  codec: PatternOptions['codec'],
  fmtp: Readonly<Record<string, string>>,
): Promise<void> {
  const pattern = await openPattern({ ...CLIP, codec, colour: 'cyan' });
  const picture = seat.subscriptions[1]!;
  pattern.send(0, () => {}, 0);
  picture.on({ type: 'serving', format: { codec, clockRate: 90_000, fmtp }, how: 'passthrough' });
  let obeyed = 0;
  const timer = setInterval(() => {
    if (picture.asked.length > obeyed) pattern.requestKey();
    obeyed = picture.asked.length;
    pattern.send(systemClock.now(), picture.sink, systemClock.now());
  }, 66);
  onEnd(() => {
    clearInterval(timer);
    pattern.close();
  });
}

async function phone(
  sip: string,
  codecs?: string,
  encryption?: 'srtp-mand',
): Promise<{ baresip: Baresip; dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-baresip-'));
  onEnd(() => rmSync(dir, { recursive: true, force: true }));
  const baresip = await Baresip.start({
    dir,
    user: 'bob',
    codecs: 'pcmu/8000/1',
    plays: toneOf(0, 30),
    ...(encryption && { encryption }),
    video: { clip: await clip(dir, 'orange'), ...(codecs && { codecs }) },
  });
  onEnd(async () => void (await baresip.stop()));
  await baresip.dial(`sip:1000@${sip}`);
  await baresip.established();
  return { baresip, dir };
}

/** What the room heard, as a file anybody's decoder reads: Annex B, or IVF (a header, then length and time a picture). */
function fileOf(codec: PatternOptions['codec'], heard: readonly MediaPacket[], dir: string): string {
  const parts: Uint8Array[] = [];
  if (codec === 'H264') {
    const depacketizer = h264Depacketizer(unit => parts.push(writeAnnexB(unit.units)));
    for (const packet of heard) depacketizer.push(packet);
  } else {
    const head = Buffer.alloc(32);
    head.write('DKIF\0\0\x20\0VP80', 'latin1');
    head.writeUInt16LE(CLIP.width, 12);
    head.writeUInt16LE(CLIP.height, 14);
    head.writeUInt32LE(90_000, 16);
    head.writeUInt32LE(1, 20);
    parts.push(head);
    const depacketizer = vp8Depacketizer(picture => {
      const frame = Buffer.alloc(12);
      frame.writeUInt32LE(picture.bytes.length);
      frame.writeUInt32LE(picture.pts % 2 ** 32, 4);
      parts.push(frame, picture.bytes.slice());
    });
    for (const packet of heard) depacketizer.push(packet);
  }
  const file = join(dir, codec === 'H264' ? 'heard.h264' : 'heard.ivf');
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

const keys = (heard: readonly MediaPacket[]): number =>
  heard.filter(p => p.frame?.start && p.frame.key).length;

describe.skipIf(peers)('baresip', () => {
  test.each([
    ['H264', undefined, { 'profile-level-id': '42e01e', 'packetization-mode': '1' }],
    ['VP8', 'vp8', {}],
    ['VP8', 'vp8', {}, 'srtp-mand'],
  ] as const)(
    '%s %s %j %s: pictures are decoded both ways, keyframes come when asked for',
    async (codec, name, fmtp, encryption?: 'srtp-mand') => {
      const { seat, sip, leg, emit } = await gateway();
      const { baresip, dir } = await phone(sip, name, encryption);
      await soon(() => seat.publications.length === 2 && seat.publications[1]!.heard.length > 200);
      const { track, heard } = seat.publications[1]!;
      expect(track).toMatchObject({ source: 'camera', format: { codec, fmtp: { 'x-size': '640x480' } } });
      const byRtcp = (): void => seat.publications[1]!.ask({ type: 'keyframe' });
      const byInfo = (): void => emit({ type: 'keyframe-by-signalling' });
      for (const ask of [byRtcp, byInfo]) {
        const before = keys(heard);
        ask();
        await soon(() => keys(heard) > before, 3000); // of itself baresip makes one every 10 s
      }

      await show(seat, codec, fmtp);
      await soon(() => seat.subscriptions[1]!.asked.length > 0); // it saw the middle of a group: PLI
      const first = lastPicture(await baresip.sees());
      const second = lastPicture(await baresip.sees());
      expect([first?.colour, second?.colour]).toEqual(['cyan', 'cyan']);
      expect(second!.frameNumber).toBeGreaterThan(first!.frameNumber);

      const seen = lastPicture(fileOf(codec, heard, dir));
      expect(seen?.colour).toBe('orange');
      expect(seen!.frameNumber).toBeGreaterThan(5);
      await soon(() => leg().stats()[3]!.bitrateBps! > 20_000);
      const incoming = leg().stats()[2];
      expect(incoming).toMatchObject({
        security: encryption ? 'sdes' : 'none',
        codec,
        width: 640,
        height: 480,
        lost: 0,
        keyframesAsked: 1,
      });
      expect(incoming!.fps).toBeGreaterThan(0);
      await soon(() => seat.publications.every(p => p.clocks.length > 0));
    },
    60_000,
  );
});
