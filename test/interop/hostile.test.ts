import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missingForVideo } from '../../codecs/video/av.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Child, missing } from '../harness/child.ts';
import { RtmpClock } from '../harness/clock/rtmp-publisher.ts';
import { gapsOf, heardMs, spansOf } from '../harness/heard.ts';
import { type Holdings, Inspector } from '../harness/inspector.ts';
import { Junk, SAMPLES, slowly } from '../harness/junk.ts';
import { rtmpClient } from '../harness/peers/rtmp-client.ts';
import { call, hungUp, plays, scenario } from '../harness/peers/sipp-scenario.ts';
import { publishBroken } from '../harness/pictures/broken-publisher.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { seeded } from '../harness/sip-world.ts';
import { Stage, wait } from '../harness/stage.ts';
import type { Sound } from '../harness/wav.ts';

const [BOB, SIPP, PAGE] = [0, 1, 2];
const SHOTS = 2000;
const CONNECTIONS = 100;
const LINGERING = 100;
/** An attack costs time of the two or so cores that all of this shares: words may be lost, the talk goes on. */
const LOST_MS = 3000;
/** Longer than any parser waits for the rest of a message. */
const SLOW_MS = 14_000;
const HEAP_BYTES = 10 * 1024 * 1024;
/** Where each kind of junk is counted; in several processes only the front has a web server to tell its own. */
const COUNTERS = {
  front: ['sip_dropped', 'http_refused'],
  agent: ['sip_rtp_dropped', 'webrtc_junk', 'rtmp_unasked'],
};

const suite = missing('baresip', 'sipp', 'tshark', 'chromium') ? describe.skip : describe;

suite.each(ARRANGEMENTS)('any bytes on any port while two phones talk, %s', arrangement => {
  let stage: Stage;
  const linked = arrangement === 'three processes';
  let inspectors: Inspector[] = [];
  beforeAll(async () => {
    stage = await Stage.open(arrangement, '', ['--inspect=127.0.0.1:0']);
    inspectors = await Promise.all(
      [...stage.server.processes.values()].map(child => Inspector.attach(child)),
    );
  });
  afterAll(async () => {
    for (const inspector of inspectors) inspector.close();
    await stage?.close();
  });
  afterEach(t => stage.tell(t.task));

  it('they go on hearing each other, nothing grows, junk is counted', async ({
    expect,
    onTestFinished: end,
  }) => {
    const page = await stage.browser(end, '1000', 'page', PAGE);
    const bob = await stage.phone(end, '1000', 'bob', BOB);
    const sipp = await stage.sipp(end, '1000', SIPP, {
      scenario: files => scenario('talks till the end', call(), plays(files), hungUp('removed you')),
    });
    await stage.members('1000', 'bob', 'page', 'sipp');
    const began = Date.now();
    const before = await Promise.all(inspectors.map(i => i.holdings()));
    const media = await Promise.all(['bob', 'sipp'].map(mediaPort));

    const [closed] = await Promise.all([linger(), attack(media)]);
    expect(closed, 'a message that does not come to its end ends its connection').toEqual({
      rtmp: LINGERING,
      http: LINGERING,
      https: LINGERING,
      sips: LINGERING,
    });
    expect(await stage.server.participants('1000')).toEqual(['bob', 'page', 'sipp']);
    const talkedMs = Date.now() - began;
    await stage.server.api('DELETE', '/rooms/1000/participants/sipp');
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    const pageHeard = await page.heard();
    await page.page.click('#leave');
    await page.stop();
    await bob.stop();
    const [bobHeard, sippHeard] = [bob.heard(), await sipp.heard()];
    const pairs: [Sound, number][] = [
      [bobHeard, SIPP],
      [bobHeard, PAGE],
      [sippHeard, BOB],
      [sippHeard, PAGE],
      [pageHeard, BOB],
      [pageHeard, SIPP],
    ];
    for (const [sound, tone] of pairs) {
      const spans = spansOf(sound, tone);
      expect(Math.max(0, ...gapsOf(spans)), `tone ${tone} goes on`).toBeLessThan(LOST_MS);
      expect(heardMs(spans)).toBeGreaterThan(0.6 * talkedMs);
    }

    const metrics = await (await fetch(`${stage.server.web}/metrics`)).text();
    for (const counter of linked ? COUNTERS.front : [...COUNTERS.front, ...COUNTERS.agent])
      expect(metrics).toMatch(new RegExp(`^roombridge_${counter}_total\\{reason="[^"]+"\\} [1-9]`, 'm'));
    const after = await Promise.all(inspectors.map(i => i.holdings()));
    for (const [i, { heapBytes }] of after.entries())
      expect(heapBytes - (before[i] as Holdings).heapBytes).toBeLessThan(HEAP_BYTES);
    const again = await stage.phone(end, '1000', 'again', BOB);
    await stage.members('1000', 'again');
    await again.command('hangup');
    await stage.gone('1000');
    expect(stage.server.bugs()).toEqual([]);
  }, 120_000);

  const mediaPort = async (who: string): Promise<number> => {
    const port = Number(/m=audio (\d+)/.exec(await stage.step(who, /^200 OK \(INVITE/))?.[1]);
    if (!(port > 0)) throw new Error(`no media port of ${who}`);
    return port;
  };

  /** How many of the connections that dawdle were closed by the server. */
  async function linger(): Promise<Record<string, number>> {
    const { sip, rtmp, http, https, artp } = stage.server.ports;
    const hello = Buffer.from('160301020001', 'hex'); // of TLS
    const [onRtmp, onHttp, , onHttps, onSips] = await Promise.all([
      slowly(rtmp, SAMPLES.rtmp[0], LINGERING, SLOW_MS),
      slowly(http, SAMPLES.http[0] as Buffer, LINGERING, SLOW_MS),
      slowly(sip, SAMPLES.sip[0] as Buffer, LINGERING, SLOW_MS),
      slowly(https, hello, LINGERING, SLOW_MS),
      slowly(sip + 1, hello, LINGERING, SLOW_MS),
      ...(linked ? [slowly(artp + 1, hello, LINGERING, SLOW_MS)] : []),
    ]);
    return {
      rtmp: onRtmp as number,
      http: onHttp as number,
      https: onHttps as number,
      sips: onSips as number,
    };
  }

  async function attack(media: readonly number[]): Promise<void> {
    const junk = new Junk(Number(process.env.JUNK_SEED ?? 1));
    const { sip, rtmp, http, https, webrtc, artp } = stage.server.ports;
    await Promise.all([
      junk.shoot(sip, 'sip', SHOTS),
      junk.shoot(webrtc, 'media', SHOTS),
      ...media.flatMap(port => [junk.shoot(port, 'media', SHOTS), junk.shoot(port + 1, 'media', SHOTS)]),
      junk.pour(sip, 'sip', CONNECTIONS),
      junk.pour(sip + 1, 'sip', CONNECTIONS),
      junk.pour(sip + 1, 'sip', CONNECTIONS, true),
      junk.whisper(`ws://127.0.0.1:${http}/sip`, CONNECTIONS, 'sip'),
      junk.pour(rtmp, 'rtmp', CONNECTIONS),
      junk.pour(http, 'http', CONNECTIONS),
      junk.pour(https, 'http', CONNECTIONS),
      junk.pour(https, 'http', CONNECTIONS, true),
      junk.whisper(`ws://127.0.0.1:${http}/stomp`, CONNECTIONS),
      ...(linked
        ? [
            junk.shoot(artp, 'media', SHOTS),
            junk.pour(artp + 1, 'artp', CONNECTIONS),
            junk.pour(artp + 1, 'artp', CONNECTIONS, true),
          ]
        : []),
    ]);
  }
});

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));
const FREEZE_MS = 1000;
/** Once round all that can be broken, and then some. */
const BROKEN_MS = 8000;
const BROKEN_HZ = 700;

const noCodec = missingForVideo();
(noCodec === undefined ? describe : describe.skip)('a publisher of broken H.264 and good sound', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('one process')));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('is heard; who watches another sees no stop; the reasons are told and counted', async ({
    expect,
    onTestFinished: end,
  }) => {
    const { server } = stage;
    const { rtmp } = server.ports;
    /** Plays as a mini-program does; when each picture came. */
    const player = async (path: string): Promise<number[]> => {
      const client = await rtmpClient(rtmp, 'play', path, systemClock);
      end(() => client.kill());
      const times: number[] = [];
      let known = 0;
      const timer = setInterval(() => {
        for (const e of client.heard.slice(known))
          if (e.type === 'media' && e.media === 'video') times.push(Date.now());
        known = client.heard.length;
      }, 10);
      end(() => clearInterval(timer));
      return times;
    };
    const alice = await RtmpClock.start(rtmp, 'room/1000/alice');
    end(() => alice.stop());
    await stage.members('1000', 'alice');
    await server.api('PUT', '/rooms/1000', { layout: 'grid' });
    const watchers = {
      alice: await player('room/1000/alice?as=one'),
      grid: await player('room/1000?as=two'),
    };
    await expect
      .poll(() => Object.values(watchers).every(t => t.length > 30), { timeout: 15_000 })
      .toBe(true);

    const path = 'room/1000/broken';
    end(await publishBroken({ port: rtmp, path, toneHz: BROKEN_HZ, random: seeded(1) }));
    const from = Date.now();
    await stage.members('1000', 'alice', 'broken', 'one', 'two');
    const listener = new Child('dial', process.execPath, [
      ...[PROGRAM, 'dial', `sip:1000@${server.sip}`, '--sound-only', '--seconds', '6'],
      ...['--expect-tone', String(BROKEN_HZ)],
    ]);
    end(async () => void (await listener.stop()));
    await wait(BROKEN_MS);
    const to = Date.now();
    expect(await listener.exited, listener.output).toBe(0);
    for (const [who, times] of Object.entries(watchers)) {
      const within = [from, ...times.filter(t => t > from && t < to), to];
      const longest = Math.max(...within.slice(1).map((t, i) => t - (within[i] as number)));
      console.log(`${who}: ${within.length - 2} pictures in ${to - from} ms, the longest stop ${longest} ms`);
      expect(longest, who).toBeLessThan(FREEZE_MS);
    }

    const legs = await server.api<{ leg: string; participant: string }[]>('GET', '/legs');
    const leg = legs?.find(l => l.participant === 'broken')?.leg as string;
    const steps = await server.api<{ summary: string }[]>('GET', `/legs/${encodeURIComponent(leg)}/ladder`);
    const told = steps?.flatMap(
      s => /Pictures of this stream are dropped \((.*?)\)/.exec(s.summary)?.[1] ?? [],
    );
    const reasons = ['picture-before-config', 'avc-config', 'avc-sps', 'avc-units'];
    expect(told).toEqual(reasons);
    const metrics = await (await fetch(`${server.web}/metrics`)).text();
    for (const reason of reasons)
      expect(metrics).toMatch(
        new RegExp(`^roombridge_rtmp_dropped_total\\{reason="${reason}"\\} [1-9]`, 'm'),
      );
    expect(await server.participants('1000')).toEqual(['alice', 'broken', 'one', 'two']);
    expect(server.bugs()).toEqual([]);
  }, 60_000);
});
