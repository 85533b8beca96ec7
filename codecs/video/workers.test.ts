/** Workers that crash, hang or never begin: replaced, and forwarding goes on. */
import { afterEach, describe, expect, it } from 'vitest';
import type { MediaPacket, Termination } from '../../src/contract.ts';
import { openPattern, type Pattern } from './pattern.ts';
import { copyPacket, failingWorker, openViewer, realClock, until, vp8 } from './testing/tape.ts';
import { openVideoTranscoder, type VideoTranscoder } from './transcoder.ts';
import { VideoWorkers } from './workers.ts';

const undo: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of undo.splice(0).reverse()) await close();
});

function workersThat(mode: string): VideoWorkers {
  const workers = new VideoWorkers(failingWorker(mode), 1);
  undo.push(() => workers.close());
  return workers;
}

async function open(workers: VideoWorkers) {
  const viewer = await openViewer('VP8');
  const failures: Termination[] = [];
  let keys = 0;
  const transcoder = await openVideoTranscoder(vp8(), vp8({ 'max-fs': '396' }), {
    bitrateBps: 300_000,
    onPacket: p => viewer.push(p),
    onFormat() {},
    onKeyNeeded: () => keys++,
    onFailed: why => failures.push(why),
    clock: realClock,
    workers,
  });
  undo.push(() => {
    transcoder.close();
    viewer.close();
  });
  return { transcoder, viewer, failures, keys: () => keys };
}

async function source(): Promise<Pattern> {
  const pattern = await openPattern({ codec: 'VP8', width: 352, height: 288, fps: 15, colour: 'red' });
  undo.push(() => pattern.close());
  return pattern;
}

/** Sends the next picture; `poison` marks it for the worker of this test. */
function send(pattern: Pattern, to: VideoTranscoder, poison = false): void {
  const packets: MediaPacket[] = [];
  pattern.send(0, p => packets.push(copyPacket(p)), 0);
  const last = packets.at(-1)!.payload;
  last[last.length - 3] = poison ? 0xee : 0x11;
  for (const p of packets) to.push(p, realClock.now());
}

describe.each(['crash', 'exit', 'hang'])('a worker that does this: %s', mode => {
  it('is replaced, its transcoders go on from a keyframe; the second time the culprit is given up', async () => {
    const workers = workersThat(mode);
    const bad = await open(workers);
    const good = await open(workers);
    const pattern = await source();
    const both = (): void => {
      pattern.requestKey();
      const packets: MediaPacket[] = [];
      pattern.send(0, p => packets.push(copyPacket(p)), 0);
      for (const { transcoder } of [bad, good]) for (const p of packets) transcoder.push(p, realClock.now());
    };
    both();
    await until(() => bad.viewer.seen.length === 1 && good.viewer.seen.length === 1);

    send(await source(), bad.transcoder, true); // numbers anew: put in by the restart of its own source
    bad.transcoder.restart();
    send(await source(), bad.transcoder, true);
    await until(() => workers.replaced === 1 && bad.keys() + good.keys() >= 2);
    expect([bad.failures, good.failures]).toEqual([[], []]);
    for (const { transcoder } of [bad, good]) transcoder.restart();
    both();
    await until(() => bad.viewer.seen.length === 2 && good.viewer.seen.length === 2);

    bad.transcoder.restart();
    send(await source(), bad.transcoder, true);
    await until(() => bad.failures.length === 1 && good.keys() === 2);
    expect(bad.failures[0]).toMatchObject({
      blame: 'server',
      reason: 'video-worker-failed',
      text: expect.stringMatching(/twice in a row.*\.$/),
    });
    good.transcoder.restart();
    both();
    await until(() => good.viewer.seen.length === 3);
    expect([good.failures, bad.viewer.seen.length, bad.failures.length, workers.replaced]).toEqual([
      [],
      2,
      1,
      2,
    ]);
  });
});

it('a worker that cannot begin is tried twice, then refused in a sentence', async () => {
  await expect(open(workersThat('stillborn'))).rejects.toMatchObject({
    why: { reason: 'video-worker-failed', text: expect.stringMatching(/\.$/) },
  });
});

it('workers ended in the midst of their work end quietly: FFmpeg stopped inside a call would end the process', async () => {
  for (let i = 0; i < 5; i++) {
    const workers = new VideoWorkers(undefined, 1);
    const { transcoder } = await open(workers);
    const pattern = await source();
    for (let n = 0; n < 20; n++) send(pattern, transcoder);
    await workers.close();
    expect(workers.running).toBe(0);
  }
});

it('an idle worker ends after a while, and a new one is started when needed', async () => {
  const timers = new Map<number, () => void>();
  let next = 0;
  const clock = {
    now: () => performance.now(),
    at(_: number, run: () => void) {
      const id = next++;
      timers.set(id, run);
      return () => timers.delete(id);
    },
  };
  const workers = new VideoWorkers(undefined, 1);
  undo.push(() => workers.close());
  const place = () => {
    const tenant = {
      spec: () => ({ kind: 'transcode', encode: SPEC }) as const,
      done() {},
      moved() {},
      failed() {},
    };
    return workers.place(tenant, clock);
  };
  const first = await place();
  expect(timers.size).toBe(0);
  first.close();
  expect(workers.running).toBe(1);
  for (const run of [...timers.values()]) run();
  expect(workers.running).toBe(0);
  (await place()).close();
  expect(workers.running).toBe(1);
});

const SPEC = {
  codec: 'VP8',
  maxBlocks: 99,
  maxBlocksPerSecond: 9000,
  maxFps: 15,
  bitrateBps: 100_000,
} as const;
