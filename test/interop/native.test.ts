import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missingForVideo } from '../../codecs/video/av.ts';
import type { NativeMember } from '../../gateways/native/client/index.ts';
import { ArtpRelay, portsOf } from '../harness/artp-relay.ts';
import { missing } from '../harness/child.ts';
import { EventLog } from '../harness/event-log.ts';
import { heardMs, shareHeard, spansOf, toneOf } from '../harness/heard.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { NativePeer } from '../harness/peers/native.ts';
import { RoomPage } from '../harness/pictures/browser.ts';
import { cameraFile, clip, readStills } from '../harness/pictures/clips.ts';
import { type OnEnd, Stage, wait } from '../harness/stage.ts';
import { type Sound, writeWav } from '../harness/wav.ts';

const [SIPP, RTMP, NATIVE, PHONE, PAGE] = [0, 1, 2, 3, 4];
/** From the death of an agent until its members are heard again. */
const HEARD_AGAIN_MS = 5000;
/** Half of all packets lost, reports of that too: when it is known what helps, every word of a sentence this long. */
const FIRST_MS = 3000;
const SENTENCE_MS = 12_000;
/** When the agent is only emptied: less than a word. */
const MOVED_MS = 500;

const suite =
  missing('sipp', 'ffmpeg', 'baresip', 'chromium', 'nats-server') || missingForVideo()
    ? describe.skip
    : describe;

suite('native members', () => {
  let stage: Stage;
  let events: EventLog;
  /** Of `agent` and `agent 2`. */
  let first = '';
  let second = '';

  beforeAll(async () => {
    const roles = ['room', 'agent', 'agent 2', 'front'];
    stage = await Stage.open('three processes', 'rooms: { sessionKeep: 6s }', [], roles);
    [first, second] = ['agent', 'agent 2'].map(name => {
      const printed = /artp:\/\/\S+/.exec(stage.server.processes.get(name)?.output ?? '')?.[0] ?? '';
      const { tlsPort, udpPort } = portsOf(printed);
      return `artp://127.0.0.1:${tlsPort}/ROOM?udp=${udpPort}`;
    }) as [string, string];
    events = await EventLog.open(stage.server.ports.bus);
  }, 60_000);
  afterEach(t => stage.tell(t.task));
  afterAll(async () => {
    await events?.close();
    await stage?.close();
  });

  const to = (room: string, url = first): string => url.replace('ROOM', room);
  const talking = async (onEnd: OnEnd, url: string, user: string, tone: number): Promise<NativePeer> => {
    const peer = await NativePeer.join(url, user, tone);
    onEnd(() => peer.leave());
    return peer;
  };
  const hears = (sound: Sound, tone: number): number => heardMs(spansOf(sound, tone));
  const longestGap = (at: readonly number[], sinceMs: number): number => {
    const around = at.filter(ms => ms > sinceMs - 500);
    expect(around.length).toBeGreaterThan(50);
    return Math.max(...around.slice(1).map((ms, i) => ms - (around[i] as number)));
  };

  it('and phones and mini-programs hear each other, and nobody itself', async t => {
    const end = t.onTestFinished;
    const native = await talking(end, to('1000'), 'nora', NATIVE);
    stage.publisher(end, '1000', 'wx', RTMP);
    const player = stage.player(end, '1000', 'wx');
    const phone = await stage.sipp(end, '1000', SIPP, { seconds: 7 });
    await stage.members('1000', 'nora', 'sipp', 'wx');
    await phone.finished();
    await player.stop();
    for (const tone of [SIPP, RTMP]) expect(hears(native.heard(), tone)).toBeGreaterThan(2000);
    expect(hears(native.heard(), NATIVE)).toBe(0);
    for (const tone of [RTMP, NATIVE]) expect(hears(await phone.heard(), tone)).toBeGreaterThan(2000);
    for (const tone of [SIPP, NATIVE]) expect(hears(player.heard(), tone)).toBeGreaterThan(2000);
  }, 60_000);

  it('and browsers and video phones hear and see each other', async t => {
    const end = t.onTestFinished;
    const dir = stage.dir('seen');
    mkdirSync(dir, { recursive: true });
    const look = { dir, width: 320, height: 240, seconds: 5 };
    const [blue, orange] = [
      await cameraFile({ ...look, colour: 'blue' }),
      await clip({ ...look, colour: 'orange', times: 10 }),
    ];
    const microphone = join(dir, 'microphone.wav');
    writeWav(microphone, toneOf(PAGE, 10));
    const page = await RoomPage.join(`${stage.server.web}/r/seen?raw=1&camera=1`, 'page', {
      camera: blue,
      microphone,
      records: true,
    });
    end(() => page.stop());
    const phone = await Baresip.start({
      dir: stage.dir('phone'),
      user: 'phone',
      codecs: 'opus/48000/2',
      plays: toneOf(PHONE, 60),
      video: { clip: orange, noVp8: true },
    });
    end(async () => void (await phone.stop()));
    await phone.dial(`sip:seen@${stage.server.sip}`);
    await phone.established();
    const native = await talking(end, to('seen'), 'nora', NATIVE);
    const colour = await native.show();
    const [ofPage, ofPhone] = [await native.look('page'), await native.look('phone')];
    const poll = { timeout: 15_000, interval: 200 };
    await expect.poll(() => ofPage().pattern?.colour, poll).toBe('blue');
    await expect.poll(() => ofPhone().pattern?.colour, poll).toBe('orange');
    await expect.poll(async () => (await page.sees('nora'))?.seen?.colour, poll).toBe(colour);
    // The page is still muted: of the two others the phone is shown the one that speaks.
    const shown = async () => (await readStills([await phone.sees()]))[0]?.colour;
    await expect.poll(shown, poll).toBe(colour);
    await page.speak(true);
    await wait(3000);
    for (const tone of [PHONE, PAGE]) expect(hears(native.heard(), tone)).toBeGreaterThan(2000);
    for (const tone of [PHONE, NATIVE]) expect(hears(await page.heard(), tone)).toBeGreaterThan(2000);
    for (const tone of [PAGE, NATIVE]) expect(hears(phone.heard(), tone)).toBeGreaterThan(2000);
    expect(ofPage().pictures).toBeGreaterThan(20);

    const longest = `${'字'.repeat(1365)}a`; // 4096 bytes
    await native.member.text(longest);
    await page.page.getByText(longest).waitFor();
    const back = `a${'字'.repeat(1365)}`;
    await page.page.fill('#line', back);
    await page.page.press('#line', 'Enter');
    await expect.poll(() => native.events, poll).toContainEqual({ type: 'text', from: 'page', text: back });
  }, 60_000);

  it('survive a new address, five seconds of silence, a network without UDP, and the loss of half of all', async t => {
    const end = t.onTestFinished;
    // Else they would go there when the way to the first is lost.
    const emptied = (other: string, on: boolean) =>
      stage.server.api('POST', `/agents/${other}/drain`, { on });
    const asks = await talking(end, to('whose'), 'ask', 2);
    const mine = (await legs('whose'))[0]?.agent;
    await asks.leave();
    const natives = ((await stage.server.api<{ agent: string; gateway: string }[]>('GET', '/agents')) ?? [])
      .filter(a => a.gateway === 'native')
      .map(a => a.agent);
    const other = natives.find(agent => agent !== mine) as string;
    await emptied(other, true);
    end(async () => void (await emptied(other, false)));
    await Promise.all([newAddress(end), silence(end), withoutUdp(end), halfLost(end)]);
  }, 60_000);

  async function newAddress(end: OnEnd): Promise<void> {
    const talker = await talking(end, to('move'), 'tara', 3);
    const listener = await talking(end, to('move'), 'lena', 4);
    const [heard, back] = [listener.arrivals('tara'), talker.arrivals('lena')];
    await wait(2000);
    const movedAt = Date.now();
    await talker.member.networkChanged();
    await wait(2000);
    for (const at of [heard, back]) expect(longestGap(at, movedAt)).toBeLessThanOrEqual(1000);
    expect(talker.events.map(e => e.type)).not.toContain('resumed');
  }

  /** `sessionKeep` is 6 s here. */
  async function silence(end: OnEnd): Promise<void> {
    const relay = await ArtpRelay.open(portsOf(to('keep')));
    end(() => relay.close());
    const { member } = await talking(end, relay.url('keep'), 'kim', 5);
    await stage.members('keep', 'kim');
    const cut = (off: boolean): void => {
      relay.loses = () => off;
      relay.streams(!off);
    };
    cut(true);
    await wait(5000);
    expect(await stage.server.participants('keep')).toEqual(['kim']);
    cut(false);
    await stage.server.until(
      'heard again',
      async () => member.state,
      s => s === 'active',
    );
    await wait(500);
    cut(true);
    await wait(7000);
    expect(await stage.server.participants('keep')).toEqual([]);
  }

  async function withoutUdp(end: OnEnd): Promise<void> {
    const relay = await ArtpRelay.open(portsOf(to('udp')));
    end(() => relay.close());
    const talker = await talking(end, relay.url('udp'), 'uma', 3);
    const listener = await talking(end, to('udp'), 'ulf', 4);
    const heard = listener.arrivals('uma');
    const way = (): string | undefined => wayOf(talker.member);
    await wait(1500);
    expect(way()).toBe('udp');
    relay.loses = () => true;
    const cutAt = Date.now();
    await wait(3500);
    expect(way()).toBe('stream');
    const again = heard.find(ms => ms > cutAt + 300) ?? Number.POSITIVE_INFINITY;
    expect(again - cutAt).toBeLessThanOrEqual(3000);
    relay.loses = () => false;
    await stage.server.until(
      'UDP again',
      async () => way(),
      w => w === 'udp',
      20_000,
    );
  }

  /** Of all datagrams, both ways, from HELLO on: no stream helps. */
  async function halfLost(end: OnEnd): Promise<void> {
    const relay = await ArtpRelay.open(portsOf(to('half')));
    end(() => relay.close());
    relay.streams(false);
    let seed = 7;
    relay.loses = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31 < 0.5;
    const listener = await talking(end, to('half'), 'lars', 4);
    const lossy = await talking(end, relay.url('half'), 'hal', 3);
    expect(wayOf(lossy.member)).toBe('udp');
    const ears = [
      { peer: listener, tone: 3 },
      { peer: lossy, tone: 4 },
    ];
    // Of the last sentence; chance may take a word of one.
    const heard = ({ peer, tone }: (typeof ears)[number]): number => {
      const sound = peer.heard();
      const endMs = (sound.samples.length / sound.rateHz) * 1000;
      const fromMs = (spansOf(sound, tone)[0]?.fromMs ?? endMs) + FIRST_MS;
      if (endMs - fromMs < SENTENCE_MS) return 0;
      return shareHeard(sound, tone, endMs - SENTENCE_MS, SENTENCE_MS);
    };
    const poll = { timeout: 40_000, interval: 1000 };
    await expect.poll(() => Math.min(...ears.map(heard)), poll).toBeGreaterThanOrEqual(0.95);
    const shares = ears.map(e => `${(100 * heard(e)).toFixed(1)} %`);
    console.log(`half lost: ${shares.join(' and ')} heard, of`, JSON.stringify(ears.map(e => e.peer.blocks)));
  }

  const wayOf = (member: NativeMember): string | undefined => member.paths().find(p => p.active)?.route.kind;

  it('whose agent is emptied go to another one, and nobody notices', async t => {
    const end = t.onTestFinished;
    const [mia, listener] = [
      await talking(end, to('emptied', second), 'mia', 3),
      await talking(end, to('emptied'), 'lou', 4),
    ];
    const [heard, back] = [listener.arrivals('mia'), mia.arrivals('lou')];
    await stage.members('emptied', 'lou', 'mia');
    await wait(1500);
    const agentOf = async (who: string): Promise<string | undefined> =>
      (await legs('emptied')).find(l => l.participant === who)?.agent;
    const from = await agentOf('mia');
    const before = events.of('emptied');
    const askedAt = Date.now();
    await stage.server.api('POST', `/agents/${from}/drain`, { on: true });
    await expect.poll(() => mia.events.map(e => e.type), { timeout: 5000 }).toContain('resumed');
    await wait(1500);
    await stage.server.api('POST', `/agents/${from}/drain`, { on: false });
    expect(await agentOf('mia')).toBe(await agentOf('lou'));
    const gaps = [heard, back].map(at => longestGap(at, askedAt));
    console.log(`moved: longest gaps ${gaps.join(' and ')} ms`);
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(MOVED_MS);
    expect(events.of('emptied')).toEqual(before);
  }, 30_000);

  it('whose agent is killed are heard again within 5 s by another one: the same participant', async t => {
    const end = t.onTestFinished;
    const [kai, listener] = [
      await talking(end, to('killed', second), 'kai', 3),
      await talking(end, to('killed'), 'lou', 4),
    ];
    const [heard, back] = [listener.arrivals('kai'), kai.arrivals('lou')];
    await stage.members('killed', 'kai', 'lou');
    await wait(1500);
    const killedAt = Date.now();
    await stage.server.kill('agent 2');
    await expect.poll(() => kai.events.map(e => e.type), { timeout: 8000 }).toContain('resumed');
    await wait(2500);
    const gaps = [heard, back].map(at => longestGap(at, killedAt));
    console.log(`agent killed: longest gaps ${gaps.join(' and ')} ms; ${events.of('killed').join(', ')}`);
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(HEARD_AGAIN_MS);
    expect(
      events
        .of('killed')
        .filter(f => /joined|left/.test(f))
        .sort(),
    ).toEqual(['joined kai', 'joined lou']);
    expect(kai.member.participant).toBe('kai');
    expect(await stage.server.participants('killed')).toEqual(['kai', 'lou']);
    expect(stage.server.bugs()).toEqual([]);
  }, 30_000);

  const legs = async (room: string): Promise<{ participant: string; agent: string }[]> =>
    (await stage.server.api<{ participant: string; agent: string }[]>('GET', `/legs?room=${room}`)) ?? [];
});
