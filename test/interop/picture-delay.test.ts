/** How soon a joiner sees something, and how old it is: the time a picture was made is burned into it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { RtmpClock } from '../harness/clock/rtmp-publisher.ts';
import { ClockTab, type SeenClock } from '../harness/clock/tab.ts';
import { Server } from '../harness/server.ts';

/** Goal of the first picture: 300 ms. Whoever waits for the next keyframe of a group of 3 s is far from this. */
const FIRST_MS = 1500;
const STEADY_MS = 150;
/** Of the steady delay, after so long. */
const SETTLED_MS = 10_000;
const JOINERS = 4;

const suite = missing('chromium') ? describe.skip : describe;
const sleep = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const at = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;

suite('pictures of a joiner', () => {
  const dir = mkdtempSync(join(tmpdir(), 'delay-'));
  let server: Server;
  let source: ClockTab;
  let viewer: ClockTab;

  beforeAll(async () => {
    server = await Server.start(join(dir, 'server'), 'one process');
    [source, viewer] = await Promise.all([ClockTab.start(server.web), ClockTab.start(server.web)]);
  });
  afterAll(async () => {
    await Promise.all([source?.close(), viewer?.close()]);
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const seeing = (name: string, what: (s: SeenClock) => boolean): Promise<SeenClock> =>
    server.until(`pictures of ${name}`, () => viewer.seen(name), what);

  /** Joins some times, each at another place in the group of pictures; says when each saw its first picture. */
  async function first(room: string): Promise<{ firstMs: number[]; afterConnectMs: number[] }> {
    const firstMs: number[] = [];
    const afterConnectMs: number[] = [];
    for (let i = 0; i < JOINERS; i++) {
      const name = `${room}-joiner-${i}`;
      await sleep(700);
      await viewer.play(`/whep/${room}?as=${name}`, { name });
      const seen = await seeing(name, s => s.firstMs !== undefined);
      firstMs.push(seen.firstMs!);
      afterConnectMs.push(seen.firstMs! - seen.connectedMs);
      await viewer.stop(name);
    }
    return { firstMs, afterConnectMs };
  }

  /** Delay of pictures shown in the last seconds, ten seconds after the beginning. */
  async function steady(name: string): Promise<SeenClock & { delays: number[] }> {
    const begun = await seeing(name, s => s.shown.length > 0);
    await sleep(begun.began + SETTLED_MS + 3000 - Date.now());
    const seen = await viewer.seen(name);
    const delays = seen.shown.filter(s => s.at > seen.began + SETTLED_MS).map(s => s.delayMs);
    expect(delays.length).toBeGreaterThan(20);
    return { ...seen, delays };
  }
  const say = (what: string, seen: SeenClock & { delays: number[] }): void =>
    console.log(
      `${what}: delay p50 ${median(seen.delays)} ms, p95 ${at(seen.delays, 0.95)} ms, most ${Math.max(...seen.delays)} ms; ` +
        `in the browser's buffer ${Math.round(seen.bufferMs / seen.buffered)} ms a picture; ${seen.freezes} freezes; ` +
        `in its first second ${median(seen.shown.filter(s => s.at < seen.shown[0]!.at + 1000).map(s => s.delayMs))} ms`,
    );

  it('of a browser: soon, and young', async () => {
    await source.publish('/whip/web?user=alice', { maxBitrate: 600_000 });
    await sleep(2000);
    const { firstMs, afterConnectMs } = await first('web');
    console.log(
      `first picture of a browser's: ${firstMs} ms from the click, ${afterConnectMs} ms from the connection (goal 300)`,
    );
    expect(median(firstMs)).toBeLessThan(FIRST_MS);
    await viewer.play('/whep/web?as=steady', { name: 'web-steady' });
    const seen = await steady('web-steady');
    say('browser → browser', seen);
    expect(median(seen.delays)).toBeLessThanOrEqual(STEADY_MS);
    await viewer.stop('web-steady');
  }, 90_000);

  it('of RTMP with a group of 3 s: soon, and young, with the burst of kept pictures and without', async () => {
    await viewer.play('/whep/push?as=early', { name: 'push-early' });
    const alice = await RtmpClock.start(server.ports.rtmp, 'room/push/alice');
    try {
      const early = steady('push-early');
      await sleep(4800); // in the second half of a group
      await viewer.play('/whep/push?as=late', { name: 'push-late' });
      const late = await steady('push-late');
      const before = await early;
      say('RTMP → browser that was there before', before);
      say('RTMP → browser that got the burst', late);
      await viewer.stop('push-early');
      await viewer.stop('push-late');
      const { firstMs, afterConnectMs } = await first('push');
      console.log(
        `first picture of RTMP's, 3 s apart: ${firstMs} ms from the click, ${afterConnectMs} ms from the connection (goal 300)`,
      );
      expect(median(firstMs)).toBeLessThan(FIRST_MS);
      expect(median(before.delays)).toBeLessThanOrEqual(STEADY_MS);
      expect(median(late.delays)).toBeLessThanOrEqual(STEADY_MS);
    } finally {
      alice.stop();
    }
  }, 90_000);
});
