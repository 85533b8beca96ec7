import { afterAll, describe, expect, it } from 'vitest';
import type { Format, MediaPacket, Termination } from '../../src/contract.ts';
import { readAnnexB } from '../h264/annexb.ts';
import { h264Packetizer } from '../h264/packetize.ts';
import { loadVideoAv } from './av.ts';
import { openPattern } from './pattern.ts';
import { openEncoderWith } from './picture-encoder.ts';
import { blankFrame } from './scaler.ts';
import { copyPacket, failingWorker, h264, openViewer, realClock, until, vp8 } from './testing/tape.ts';
import { closeVideoWorkers, openVideoTranscoder, type TranscoderOptions } from './transcoder.ts';
import { VideoWorkers } from './workers.ts';

afterAll(closeVideoWorkers);

interface Run {
  readonly formats: Format[];
  readonly failures: Termination[];
  keys: number;
}

/** A transcoder whose output is decoded and read. */
async function open(from: Format, to: Format, o: Partial<TranscoderOptions> = {}) {
  const viewer = await openViewer(to.codec as 'H264');
  const run: Run = { formats: [], failures: [], keys: 0 };
  const transcoder = await openVideoTranscoder(from, to, {
    bitrateBps: 600_000,
    onPacket: p => viewer.push(p),
    onFormat: f => run.formats.push(f),
    onKeyNeeded: () => run.keys++,
    onFailed: why => run.failures.push(why),
    clock: realClock,
    ...o,
  });
  const close = (): void => {
    transcoder.close();
    viewer.close();
  };
  return { transcoder, viewer, run, close };
}

/** Hard to code: noise that moves, so that the rate control has something to do. */
async function openNoise(width: number, height: number) {
  const lib = await loadVideoAv();
  const encoder = openEncoderWith(lib, { codec: 'H264', width, height, fps: 15, bitrateBps: 8_000_000 });
  const frame = blankFrame(lib, width, height);
  const pack = h264Packetizer();
  let pts = 0;
  let seq = 0;
  let state = 1;
  return {
    send(push: (p: MediaPacket) => void): void {
      if (!frame.isWritable) frame.makeWritable();
      for (const plane of frame.data ?? [])
        for (let i = 0; i < plane.length; i += 8) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          plane.fill(120 + (state >>> 28), i, i + 8);
        }
      encoder.encode(frame, pts, false, (bytes, at, key) =>
        pack(readAnnexB(bytes), key, (payload, mark) =>
          push({ seq: seq++, pts: at, marker: mark.end, payload, frame: mark }),
        ),
      );
      pts += 6000;
    },
    close(): void {
      encoder.close();
      frame.free();
    },
  };
}

const frames = (seen: readonly { patterns: readonly ({ frameNumber: number } | undefined)[] }[]) =>
  seen.map(s => s.patterns[0]?.frameNumber);

describe('a transcoder', () => {
  it.each([
    ['H264', h264(), 'VP8', vp8(), [640, 360]],
    ['VP8', vp8(), 'H264', h264(), [640, 360]],
    ['H264', h264(), 'H264', h264({ 'profile-level-id': '42e00d' }), [416, 234]],
    ['H264', h264(), 'VP8', vp8({ 'max-fs': '99' }), [200, 112]],
  ] as const)('makes of %s %o what takes %s %o, and the pattern is read', async (_, from, __, to, size) => {
    const { transcoder, viewer, run, close } = await open(from, to);
    const pattern = await openPattern({
      codec: from.codec as 'H264',
      width: 640,
      height: 360,
      fps: 15,
      colour: 'green',
    });
    for (let i = 0; i < 20; i++) {
      pattern.send(7_000_000 + i, p => transcoder.push(p, realClock.now()), 0);
      await until(() => viewer.seen.length > i);
    }
    expect(frames(viewer.seen)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(viewer.seen.map(s => s.pts)).toEqual(Array.from({ length: 20 }, (_, i) => i * 6000));
    for (const [i, s] of viewer.seen.entries()) {
      expect([s.width, s.height]).toEqual(size);
      expect(s.patterns[0]).toEqual({ colour: 'green', frameNumber: i, clockMs: 7_000_000 + i });
    }
    expect(run.formats).toHaveLength(1);
    expect(run.formats[0]).toMatchObject({ codec: to.codec, fmtp: { 'x-size': size.join('x') } });
    expect(viewer.packets[0]?.frame).toMatchObject({ start: true, key: true, config: to.codec === 'H264' });
    expect([run.keys, run.failures, transcoder.dropped]).toEqual([0, [], 0]);
    pattern.close();
    close();
  });

  it('sends a receiver of packetization-mode 0 single units that fit', async () => {
    const { transcoder, viewer, run, close } = await open(vp8(), h264({ 'packetization-mode': '0' }), {
      bitrateBps: 3_000_000,
    });
    const pattern = await openPattern({ codec: 'VP8', width: 640, height: 480, fps: 15, colour: 'cyan' });
    for (let i = 0; i < 5; i++) pattern.send(i, p => transcoder.push(p, realClock.now()), 0);
    await until(() => viewer.seen.length >= 5);
    const types = new Set(viewer.packets.map(p => p.payload[0]! & 31));
    expect([...types].sort()).toEqual([1, 5, 7, 8]);
    expect(Math.max(...viewer.packets.map(p => p.payload.length))).toBeLessThanOrEqual(1300);
    expect(viewer.packets.filter(p => p.pts === 0).length).toBeGreaterThan(4);
    expect(run.formats[0]?.fmtp).toMatchObject({ 'packetization-mode': '0', 'x-reorder': '0' });
    pattern.close();
    close();
  });

  it('keeps to the frame rate the level leaves, and to maxFps', async () => {
    // Level 1.2 bears 6000 macroblocks a second: 15 pictures of 352×288.
    const { transcoder, viewer, close } = await open(h264(), h264({ 'profile-level-id': '42e00c' }));
    const slow = await open(h264(), vp8(), { maxFps: 10 });
    const pattern = await openPattern({ codec: 'H264', width: 352, height: 288, fps: 30, colour: 'red' });
    for (let i = 0; i < 60; i++)
      pattern.send(
        0,
        p => {
          transcoder.push(p, 0); // time stands still: nothing is late
          slow.transcoder.push(p, 0);
        },
        0,
      );
    await until(() => viewer.seen.length >= 30 && slow.viewer.seen.length >= 20);
    expect([viewer.seen.length, slow.viewer.seen.length]).toEqual([30, 20]);
    pattern.close();
    close();
    slow.close();
  });

  it('follows a source to another size, and sends keyframes when asked', async () => {
    const { transcoder, viewer, run, close } = await open(h264(), vp8());
    let seq = 0;
    let pts = 0;
    for (const [width, height] of [
      [640, 480],
      [360, 640],
      [1280, 720],
    ] as const) {
      const pattern = await openPattern({ codec: 'H264', width, height, fps: 15, colour: 'blue' });
      const before = viewer.seen.length;
      for (let i = 0; i < 6; i++) {
        if (i === 4) transcoder.requestKey();
        pts += 6000;
        pattern.send(0, p => transcoder.push({ ...p, seq: seq++, pts }, realClock.now()), 0);
        await until(() => viewer.seen.length > before + i);
      }
      expect(viewer.seen.at(-1)).toMatchObject({
        width,
        height,
        patterns: [{ colour: 'blue', frameNumber: 5 }],
      });
      pattern.close();
    }
    expect(run.formats.map(f => f.fmtp?.['x-size'])).toEqual(['640x480', '360x640', '1280x720']);
    const keys = viewer.packets.filter(p => p.frame?.key && p.frame.start).map(p => p.pts / 6000 - 1);
    expect(keys).toEqual([0, 4, 6, 10, 12, 16]);
    close();
  });

  it('plays a burst of cached pictures through at once, and its output times never go back', async () => {
    const { transcoder, viewer, run, close } = await open(h264(), vp8());
    const pattern = await openPattern({ codec: 'H264', width: 640, height: 360, fps: 15, colour: 'yellow' });
    const group: MediaPacket[] = [];
    for (let i = 0; i < 45; i++) pattern.send(i, p => group.push(copyPacket(p)), 0);
    // As egress replays a group: 90 ticks a picture, closing up to the newest.
    const replay = (): void => {
      const newest = group.at(-1)!.pts;
      for (const p of group)
        transcoder.push({ ...p, pts: newest - ((newest - p.pts) / 6000) * 90 }, realClock.now());
    };
    const live = (): void => {
      pattern.send(
        99,
        p => {
          group.push(copyPacket(p));
          transcoder.push(p, realClock.now());
        },
        0,
      );
    };
    replay();
    for (let i = 0; i < 3; i++) live();
    await until(() => frames(viewer.seen).includes(47));
    transcoder.restart();
    replay();
    live();
    await until(() => frames(viewer.seen).includes(48));
    const pts = viewer.seen.map(s => s.pts);
    expect(pts).toEqual([...pts].sort((a, b) => a - b));
    expect([transcoder.dropped, run.keys]).toEqual([0, 0]);
    pattern.close();
    close();
  });

  it('takes another bit rate', async () => {
    for (const to of [h264(), vp8()]) {
      const { transcoder, viewer, close } = await open(h264(), to, { bitrateBps: 600_000 });
      const source = await openNoise(320, 180);
      const bytes = (from: number, end: number): number =>
        viewer.packets
          .filter(p => p.pts >= from * 6000 && p.pts < end * 6000)
          .reduce((n, p) => n + p.payload.length, 0);
      for (let i = 0; i < 60; i++) {
        if (i === 30) transcoder.bitrate(150_000);
        source.send(p => transcoder.push(p, realClock.now()));
        await until(() => viewer.seen.length > i);
      }
      expect(bytes(45, 60)).toBeLessThan(bytes(15, 30) / 2);
      source.close();
      close();
    }
  });

  it('asks for a keyframe after loss, again while none comes, and goes on from it', async () => {
    const { transcoder, viewer, run, close } = await open(vp8(), h264());
    const pattern = await openPattern({ codec: 'VP8', width: 640, height: 360, fps: 15, colour: 'orange' });
    let now = 5000;
    const send = (lose = false): void => {
      pattern.send(0, p => (lose && p.marker ? undefined : transcoder.push(p, now)), 0);
    };
    send();
    send();
    send(true);
    for (let i = 0; i < 30; i++) send();
    expect(run.keys).toBe(1);
    now += 1000;
    send();
    send();
    expect(run.keys).toBe(2);
    pattern.requestKey();
    send();
    await until(() => frames(viewer.seen).includes(35));
    expect(frames(viewer.seen)).toEqual([0, 1, 35]);
    pattern.close();
    close();
  });

  it('a worker that is behind costs pictures up to the next keyframe, and never memory', async () => {
    const { transcoder, viewer, run, close } = await open(h264(), vp8());
    const pattern = await openPattern({ codec: 'H264', width: 640, height: 360, fps: 15, colour: 'grey' });
    let now = 0;
    // Nothing is answered while this thread does not yield: two letters, 250 ms gathered, then it drops.
    for (let i = 0; i < 30; i++, now += 40) pattern.send(0, p => transcoder.push(p, now), 0);
    expect(run.keys).toBe(1);
    expect(transcoder.dropped).toBeGreaterThan(20);
    await until(() => viewer.seen.length >= 2);
    pattern.requestKey();
    pattern.send(0, p => transcoder.push(p, now), 0);
    await until(() => frames(viewer.seen).includes(30));
    expect(frames(viewer.seen)).toEqual([0, 1, 30]);
    pattern.close();
    close();
  });

  it('says in a sentence that FFmpeg is missing', async () => {
    const workers = new VideoWorkers(failingWorker('no-node-av'));
    await expect(open(h264(), vp8(), { workers })).rejects.toMatchObject({
      why: { blame: 'server', reason: 'codec-missing', text: expect.stringMatching(/node-av.*npm install/) },
    });
    await workers.close();
  });
});
