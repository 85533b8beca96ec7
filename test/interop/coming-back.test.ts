/** Members that come back by themselves: as who they were, without leaving and joining. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Ticket } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { missing } from '../harness/child.ts';
import { EventLog } from '../harness/event-log.ts';
import { gapsOf, heardMs, spansOf, toneOf } from '../harness/heard.ts';
import { NarrowLink } from '../harness/narrow-link.ts';
import { BrowserPeer } from '../harness/peers/browser.ts';
import { type RtmpClient, rtmpClient } from '../harness/peers/rtmp-client.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, PAGE] = [0, 1];
/** From the death of an agent until its members are heard again. */
const HEARD_AGAIN_MS = 5000;
/** Longer than a browser needs to see that its network is gone, shorter than the page's patience with a session. */
const CUT_MS = 10_000;

interface LegView {
  readonly leg: string;
  readonly gateway: string;
  readonly agent: string;
}

const suite = missing('baresip', 'chromium', 'nats-server') ? describe.skip : describe;

suite('a member comes back by itself', () => {
  let stage: Stage;
  let events: EventLog;
  let link: NarrowLink;
  /** The WebRTC agents of `agent` and of `agent 2`. */
  let first: string;
  let second: string;
  const agents = async (): Promise<string[]> =>
    ((await stage.server.api<LegView[]>('GET', '/agents')) ?? [])
      .filter(a => a.gateway === 'webrtc')
      .map(a => a.agent);
  const drain = (agent: string, on: boolean): Promise<unknown> =>
    stage.server.api('POST', `/agents/${agent}/drain`, { on });
  beforeAll(async () => {
    stage = await Stage.open('three processes');
    [first] = (await agents()) as [string];
    await stage.server.another('agent 2');
    const both = await stage.server.until('two agents', agents, a => a.length === 2);
    second = both.find(a => a !== first) as string;
    link = await NarrowLink.start(stage.server.ports.webrtc);
    events = await EventLog.open(stage.server.ports.bus);
  });
  afterAll(async () => {
    await Promise.all([events?.close(), link?.stop()]);
    await stage?.close();
  });
  afterEach(t => stage.tell(t.task));
  const legs = async (room: string): Promise<LegView[]> =>
    (await stage.server.api<LegView[]>('GET', `/legs?room=${room}`)) ?? [];
  const webrtc = async (room: string): Promise<LegView[]> =>
    (await legs(room)).filter(l => l.gateway === 'webrtc');

  it('a page whose UDP is cut: ICE is restarted, nothing else', async t => {
    const end = t.onTestFinished;
    const page = await BrowserPeer.start({ dir: stage.dir('page') });
    end(() => page.stop());
    page.plays(toneOf(PAGE, 30));
    // Its media goes through a line that the test can cut.
    await page.page.route(/\/wh[ie]p\//, async route => {
      const response = await route.fetch();
      const body = (await response.text()).replaceAll(/ \d+ typ host/g, ` ${link.port} typ host`);
      await route.fulfill({ response, body });
    });
    await drain(second, true); // the line leads to the first
    await page.open(`${stage.server.web}/r/cut?raw=1`);
    await page.join('page');
    const bob = await stage.phone(end, 'cut', 'bob', BOB);
    await stage.members('cut', 'bob', 'page');
    await wait(2000);
    const before = await webrtc('cut');
    events.take('cut');
    await link.set({ bps: 0, queueMs: 0, cut: true });
    await wait(CUT_MS);
    await link.set({ bps: 0, queueMs: 0 });
    await wait(5000);
    expect(await webrtc('cut'), 'the same sessions').toMatchObject(before.map(({ leg }) => ({ leg })));
    const steps = await Promise.all(
      before.map(({ leg }) => stage.server.api<{ summary: string }[]>('GET', `/legs/${leg}/ladder`)),
    );
    for (const of of steps) expect(of?.map(s => s.summary)).toContain('ICE restart');
    expect(events.take('cut')).toEqual([]);
    await bob.stop();
    const spans = spansOf(bob.heard(), PAGE);
    console.log('bob hears the page', spans);
    expect(spans).toHaveLength(2);
    expect(heardMs(spans.slice(1))).toBeGreaterThan(1000);
  }, 60_000);

  it('a page whose agent is killed: new sessions of the same member, heard again within 5 s', async t => {
    const end = t.onTestFinished;
    const itsSip = second.replace('webrtc', 'sip');
    await drain(itsSip, true);
    const bob = await stage.phone(end, 'killed', 'bob', BOB);
    await drain(second, false);
    await drain(first, true);
    const page = await stage.browser(end, 'killed', 'page', PAGE);
    await stage.members('killed', 'bob', 'page');
    await drain(first, false);
    await wait(2000);
    const before = await webrtc('killed');
    expect(before.map(l => l.agent)).toEqual([second, second]);
    events.take('killed');
    await stage.server.kill('agent 2');
    await stage.server.until(
      'new sessions',
      () => webrtc('killed'),
      all => all.length === 2 && all.every(l => l.agent === first),
    );
    await wait(2500);
    expect(events.take('killed')).toEqual([]);
    await bob.stop();
    const spans = spansOf(bob.heard(), PAGE);
    console.log('bob hears the page', spans);
    expect(Math.max(0, ...gapsOf(spans))).toBeLessThan(HEARD_AGAIN_MS);
    expect(heardMs(spans.slice(-1))).toBeGreaterThan(1000);
    await page.stop();
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);

  it('a mini-program that pushes again with its ticket, its old connection open or broken', async () => {
    const body = { user: 'wx', protocol: 'rtmp', role: 'publish' };
    const ticket = await stage.server.api<Ticket>('POST', '/rooms/push/tickets', body);
    const url = new URL((ticket as Ticket).url);
    const push = async (): Promise<RtmpClient> => {
      const path = `${url.pathname.slice(1)}${url.search}`;
      const client = await rtmpClient(Number(url.port), 'publish', path, systemClock);
      await client.until(e => e.type === 'status' && e.code === 'NetStream.Publish.Start');
      for (let i = 0; i < 5; i++)
        client.send({ type: 'media', media: 'audio', timestampMs: 20 * i, parts: [PCMU] });
      return client;
    };
    events.take('push');
    const stale = await push();
    await stage.members('push', 'wx');
    const next = await push();
    const told = await stale.until(e => e.type === 'status' && e.code === 'NetConnection.Connect.Closed');
    expect(told).toMatchObject({ text: 'wx has joined again from another connection.' });
    await stale.closed;
    await stage.server.until(
      'one leg',
      () => legs('push'),
      l => l.length === 1,
    );
    next.kill();
    await stage.server.until(
      'away',
      () => stage.server.api<{ state: string }[]>('GET', '/rooms/push/participants'),
      m => m?.[0]?.state === 'away',
    );
    const last = await push();
    await stage.server.until(
      'a leg again',
      () => legs('push'),
      l => l.length === 1,
    );
    await wait(300);
    expect(await stage.server.participants('push')).toEqual(['wx']);
    expect(events.take('push')).toEqual(['joined wx', 'away wx', 'back wx']);
    last.send({ type: 'stop' });
    await last.closed;
    await stage.gone('push');
    expect(stage.server.bugs()).toEqual([]);
  }, 30_000);
});

/** A tag of 20 ms of G.711 μ-law: FLV sound format 8. */
const PCMU = Buffer.concat([Buffer.of(0x82), Buffer.alloc(160, 0x7f)]);
