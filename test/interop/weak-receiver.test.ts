/** One receiver behind a line of 300 kbit/s, others not: they do not notice, and it keeps a moving picture. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/io/clock.ts';
import { missing } from '../harness/child.ts';
import { RtmpClock } from '../harness/clock/rtmp-publisher.ts';
import { ClockTab, type SeenClock, type Shown } from '../harness/clock/tab.ts';
import { NarrowLink } from '../harness/narrow-link.ts';
import { rtmpClient } from '../harness/peers/rtmp-client.ts';
import { Server } from '../harness/server.ts';

const NARROW = { bps: 300_000, queueMs: 400 };
const FREEZE_MS = 1000;
/** How long the line is narrow, and how much of that, at its end, must be good again. */
const NARROW_MS = 13_000;
const GOOD_AGAIN_MS = 5000;

const suite = missing('chromium') ? describe.skip : describe;
const sleep = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));

/** The longest time without a new picture between two moments, Unix ms. */
function longestGapMs(times: readonly number[], from: number, to: number): number {
  const within = [from, ...times.filter(t => t > from && t < to), to];
  return Math.max(...within.slice(1).map((t, i) => t - within[i]!));
}
const shownBetween = (s: SeenClock, from: number, to: number): Shown[] =>
  s.shown.filter(p => p.at > from && p.at <= to);

suite('one weak receiver', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weak-'));
  const ends: (() => unknown)[] = [];
  let server: Server;
  let good: ClockTab;
  let weak: ClockTab;
  let link: NarrowLink;

  beforeAll(async () => {
    server = await Server.start(join(dir, 'server'), 'one process');
    [good, weak, link] = await Promise.all([
      ClockTab.start(server.web),
      ClockTab.start(server.web),
      NarrowLink.start(server.ports.webrtc),
    ]);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    await link.set({ bps: 0, queueMs: 0 });
  });
  afterAll(async () => {
    await Promise.all([good?.close(), weak?.close(), link?.stop()]);
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Plays the room as a mini-program does; tells when each picture came. */
  async function rtmpPlayer(room: string): Promise<number[]> {
    const client = await rtmpClient(server.ports.rtmp, 'play', `room/${room}?as=phone`, systemClock);
    ends.push(() => client.kill());
    const times: number[] = [];
    let known = 0;
    const timer = setInterval(() => {
      for (; known < client.heard.length; known++) {
        const e = client.heard[known]!;
        if (e.type === 'media' && e.media === 'video') times.push(Date.now());
      }
    }, 20);
    ends.push(() => clearInterval(timer));
    return times;
  }
  const how = async (who: string): Promise<string> => {
    const legs = (await server.api<Leg[]>('GET', '/legs')) ?? [];
    const out = legs.filter(l => l.participant === who).flatMap(l => l.streams ?? []);
    return out
      .filter(s => s.direction === 'out' && s.media === 'video')
      .map(s => `${s.how} ${s.width}×${s.height} ${Math.round((s.bitrateBps ?? 0) / 1000)} kbit/s`)
      .join(', ');
  };
  interface Leg {
    readonly participant: string;
    readonly streams?: readonly {
      direction: string;
      media: string;
      how: string;
      width?: number;
      height?: number;
      bitrateBps?: number;
    }[];
  }

  /** The receiver's line gets narrow; says and checks what everyone saw. */
  async function squeeze(room: string, published?: () => Promise<number>): Promise<SeenClock> {
    const player = await rtmpPlayer(room);
    await good.play(`/whep/${room}?as=strong`, { name: room });
    await weak.play(`/whep/${room}?as=weak`, { name: room, port: link.port });
    await server.until(
      'pictures of both',
      async () => [await good.seen(room), await weak.seen(room)],
      both => both.every(s => s.shown.length > 15),
    );
    await sleep(1500);
    const before = (await published?.()) ?? 0;
    const from = Date.now();
    await link.set(NARROW);
    for (let passed = 0; passed < NARROW_MS; passed += 5000) {
      await sleep(Math.min(5000, NARROW_MS - passed));
      const s = await weak.seen(room);
      const lately = shownBetween(s, s.now - 5000, s.now);
      const delays = lately.map(p => p.delayMs).sort((a, b) => a - b);
      console.log(
        `${room} +${Math.round((s.now - from) / 1000)} s: the weak one ${lately.length / 5} pictures/s, ` +
          `${lately.at(-1)?.width} wide, delay ${delays[delays.length >> 1]} ms, ${await how('weak')}; strong: ${await how('strong')}`,
      );
    }
    const to = Date.now();
    const after = (await published?.()) ?? 0;
    const [strong, slow] = [await good.seen(room), await weak.seen(room)];
    const gaps = {
      strong: longestGapMs(
        strong.shown.map(p => p.at),
        from,
        to,
      ),
      rtmp: longestGapMs(player, from, to),
    };
    const last = shownBetween(slow, to - GOOD_AGAIN_MS, to);
    const lastGap = longestGapMs(
      last.map(p => p.at),
      to - GOOD_AGAIN_MS,
      to,
    );
    console.log(
      `${room}: longest stop of the strong viewer ${gaps.strong} ms, of the RTMP player ${gaps.rtmp} ms; of the weak one ` +
        `${longestGapMs(
          slow.shown.map(p => p.at),
          from,
          to,
        )} ms in all, ${lastGap} ms in the last five seconds; link: ${await link.set(NARROW)}` +
        (published ? `; the publisher sent ${before} → ${after} kbit/s` : ''),
    );
    expect(gaps.strong).toBeLessThan(FREEZE_MS);
    expect(gaps.rtmp).toBeLessThan(FREEZE_MS);
    // It moves again, and is live: decoded, readable, of now.
    expect(last.length).toBeGreaterThan((5 * GOOD_AGAIN_MS) / 1000);
    expect(lastGap).toBeLessThan(2 * FREEZE_MS); // it tries now and then whether the line takes more
    expect(Math.max(...last.slice(-20).map(p => p.delayMs))).toBeLessThan(2000);
    if (published) expect(after).toBeGreaterThan(before * 0.7);
    return slow;
  }

  /** What a browser of ours publishes, kbit/s. */
  async function rate(url: string): Promise<number> {
    const [a] = await good.published(url);
    await sleep(1000);
    const [b] = await good.published(url);
    return Math.round(((b!.bytes - a!.bytes) * 8) / (b!.timestamp - a!.timestamp));
  }

  it('of an RTMP publisher gets a smaller picture of its own', async () => {
    const alice = await RtmpClock.start(server.ports.rtmp, 'room/push/alice', { bitrateBps: 1_000_000 });
    ends.push(() => alice.stop());
    const slow = await squeeze('push');
    ends.push(() => Promise.all([good.stop('push'), weak.stop('push')]));
    expect(slow.shown.at(-1)!.width).toBeLessThanOrEqual(640);
  }, 90_000);

  it('of a browser gets a smaller picture of its own, and the browser is not lowered', async () => {
    const url = '/whip/web?user=alice';
    await good.publish(url, { maxBitrate: 1_000_000, noise: true });
    await sleep(2000);
    ends.push(() => Promise.all([good.stop('web'), weak.stop('web')]));
    await squeeze('web', () => rate(url));
  }, 90_000);

  it('alone: the browser is asked for what it takes, and nothing is transcoded', async () => {
    const url = '/whip/alone?user=alice';
    await good.publish(url, { maxBitrate: 1_000_000, noise: true });
    await weak.play('/whep/alone?as=weak', { name: 'alone', port: link.port });
    ends.push(() => weak.stop('alone'));
    await server.until(
      'pictures',
      () => weak.seen('alone'),
      s => s.shown.length > 60,
    );
    const before = await rate(url);
    await link.set(NARROW);
    await sleep(4000);
    // Until the publisher has followed, its viewer may be helped out with a transcode.
    const [after, now] = await server.until(
      'its own picture, of as many bits as pass',
      async () => [await rate(url), await how('weak')] as const,
      ([kbps, of]) => kbps < NARROW.bps / 1000 && of.startsWith('passthrough of alice'),
    );
    console.log(
      `one viewer, on ${NARROW.bps / 1000} kbit/s: the publisher sent ${before} → ${after} kbit/s; ${now}`,
    );
    await link.set({ bps: 0, queueMs: 0 });
  }, 60_000);

  it('of a browser that sends layers gets the smaller one', async () => {
    const url = '/whip/layers?user=alice';
    await good.publish(url, {
      noise: true,
      layers: [
        { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 130_000 },
        { rid: 'f', maxBitrate: 900_000 },
      ],
    });
    await server.until(
      'both layers',
      () => good.published(url),
      layers => layers.length === 2 && layers.every(l => l.frames > 30 && (l.width ?? 0) > 0),
    );
    ends.push(() => Promise.all([good.stop('layers'), weak.stop('layers')]));
    const slow = await squeeze('layers');
    const [strong, largest] = [await good.seen('layers'), slow.shown.at(-1)!.width];
    expect(strong.shown.at(-1)!.width).toBeGreaterThan(largest);
    expect(await how('weak')).toMatch(/^passthrough of alice/);
  }, 90_000);
});
