import { createSocket } from 'node:dgram';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Agent, Clock, Json, LegRequest } from '../../src/contract.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
import { makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { makeCheck } from '../../src/proto/webrtc/stun.testing.ts';
import { readStun } from '../../src/proto/webrtc/stun.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { createWebRtcAgent } from './agent.ts';
import { candidateAddresses } from './candidates.ts';
import { webrtcConfig } from './config.ts';
import { History } from './history.ts';

/** Time that stands still until told. */
class StillClock implements Clock {
  time = 0;
  readonly #due: { when: number; run: () => void }[] = [];
  now(): number {
    return this.time;
  }
  at(when: number, run: () => void): () => void {
    const entry = { when, run };
    this.#due.push(entry);
    return () => void (this.#due.includes(entry) && this.#due.splice(this.#due.indexOf(entry), 1));
  }
  get timers(): number {
    return this.#due.filter(d => d.when < Infinity).length;
  }
  to(time: number): void {
    this.time = time;
    for (const entry of this.#due.filter(d => d.when <= time)) {
      this.#due.splice(this.#due.indexOf(entry), 1);
      entry.run();
    }
  }
}

let clock: StillClock;
let host: ReturnType<typeof fakeHost>;
let agent: Agent;
let port: number;

async function start(config: Record<string, unknown> = {}): Promise<void> {
  clock = new StillClock();
  host = fakeHost({ clock });
  agent = createWebRtcAgent(host, webrtcConfig.parse({ address: '127.0.0.1', port: 0, ...config }));
  const [address] = await agent.start();
  port = Number(address!.url.split(':').at(-1));
}
beforeEach(() => start());
afterEach(() => agent.close());

async function take(
  native: Json,
  seat = new FakeSeat(),
  begin: LegRequest['begin'] = { type: 'offer', native },
) {
  const events = new Events();
  const request: LegRequest = {
    v: 1,
    leg: 'l',
    trace: 't',
    gateway: 'webrtc',
    direction: 'in',
    who: { user: 'alice', proof: 'claimed', address: '127.0.0.1' },
    room: '1000',
    roles: ['send'],
    begin,
  };
  const leg = await agent.take(request, seat, events.emit);
  const sdp = ((await events.next('description')).native as { sdp: string }).sdp;
  return { events, leg, seat, sdp };
}
const why = (p: Promise<unknown>) =>
  p.then(
    () => expect.fail('it was taken'),
    (e: Refusal) => e.why,
  );
const whip = (sdp = makeOffer([{}])): Json => ({ sdp, kind: 'whip' });
const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await new Promise(done => setImmediate(done));
};

test('refuses in words what it cannot serve, and keeps nothing of it', async () => {
  expect(await why(take(whip('nonsense')))).toMatchObject({ blame: 'client', reason: 'bad-sdp' });
  const picture = makeOffer([{ kind: 'video', codecs: ['96 AV1/90000'] }]);
  expect(await why(take(whip(picture)))).toMatchObject({
    reason: 'no-common-codec',
    text: expect.stringMatching(/send/),
  });
  expect(await why(take({ sdp: makeOffer([{}]), kind: 'whep' }))).toMatchObject({
    reason: 'no-common-codec',
    text: expect.stringMatching(/receive/),
  });
  expect(await why(take({ kind: 'whip' }))).toMatchObject({ blame: 'server', reason: 'bad-native' });
  expect(await why(take(null, new FakeSeat(), { type: 'make-offer' }))).toMatchObject({
    reason: 'not-supported',
  });
  expect(clock.timers).toBe(0);
});

test('capacity is what the config says', async () => {
  await agent.close();
  await start({ maxLegs: 1 });
  const { leg, events } = await take(whip());
  expect(await why(take(whip()))).toMatchObject({ blame: 'server', reason: 'agent-full' });
  leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
  leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
  expect(events.all.filter(e => e.type === 'closed').length).toBe(1);
  await take(whip());
});

test('slots: as many as the config allows; other lines are refused', async () => {
  await agent.close();
  await start({ maxSlots: 2 });
  const lines = Array.from({ length: 3 }, () => ({ direction: 'recvonly' }));
  const picture = { kind: 'video', direction: 'recvonly', codecs: ['96 VP8/90000'] };
  const { sdp } = await take({
    sdp: makeOffer([...lines, picture, { ...picture, codecs: ['97 AV1/90000'] }]),
    kind: 'whep',
  });
  expect([...sdp.matchAll(/^m=(\w+ \d+)/gm)].map(m => m[1])).toEqual([
    'audio 9',
    'audio 9',
    'audio 0',
    'video 9',
    'video 0',
  ]);
  expect(sdp).toContain('a=group:BUNDLE 0 1 3\r\n');
});

test('a browser that never comes is given up after 15 s, and everything is released', async () => {
  const { events, seat } = await take(whip());
  clock.to(14_999);
  expect(events.all.some(e => e.type === 'closed')).toBe(false);
  clock.to(15_000);
  expect(events.all.at(-1)).toMatchObject({
    type: 'closed',
    why: { blame: 'client', reason: 'no-media', text: expect.stringContaining(`UDP port ${port}`) },
  });
  expect(seat.publications).toEqual([]);
  expect(seat.isConfirmed).toBe(false);
  expect(clock.timers).toBe(0);
});

test('renegotiation is refused, an ICE restart answered', async () => {
  const { leg, events } = await take(whip());
  leg.handle({ type: 'offer', id: 1, native: { sdp: makeOffer([{}]) } });
  expect(await events.next('refused')).toMatchObject({ id: 1, why: { blame: 'client' } });
  leg.handle({ type: 'make-offer', id: 3, why: 'refresh' });
  expect(events.all.at(-1)).toMatchObject({ type: 'refused', id: 3 });
  leg.handle({ type: 'offer', id: 2, native: { restart: true } });
  expect(events.all.at(-1)).toMatchObject({
    type: 'description',
    id: 2,
    native: { fragment: expect.stringContaining('a=ice-pwd:') },
  });
});

test('an agent that closes while it takes a leg refuses it and releases what there was', async () => {
  const seat = new FakeSeat();
  const taking = why(take(whip(), seat));
  await agent.close();
  expect(await taking).toMatchObject({ blame: 'server', reason: 'shutting-down' });
  expect([clock.timers, seat.publications]).toEqual([0, []]);
});

test('after its end a leg says nothing more', async () => {
  const { leg, events } = await take(whip());
  leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
  const told = events.all.length;
  leg.handle({ type: 'offer', id: 9, native: { restart: true } });
  leg.handle({ type: 'make-offer', id: 10, why: 'refresh' });
  leg.handle({ type: 'mute', media: 'audio', on: true });
  expect(events.all.length).toBe(told);
});

test('strangers on the port: any datagram is counted, none ends a leg; a check of ours is answered', async () => {
  const { sdp, events } = await take(whip());
  const [, ufrag] = /a=ice-ufrag:(.*)\r/.exec(sdp)!;
  const [, password] = /a=ice-pwd:(.*)\r/.exec(sdp)!;
  const socket = createSocket('udp4');
  const answers: Buffer[] = [];
  socket.on('message', bytes => void answers.push(bytes));
  const send = (bytes: Buffer): void => socket.send(bytes, port, '127.0.0.1');
  const junk = (n: number): Buffer => Buffer.alloc(40, n);
  const check = makeCheck({ username: `${ufrag}:x`, password: password! });
  for (const b of [
    junk(128),
    junk(22),
    junk(0),
    junk(77),
    makeCheck({ username: 'nobody:x', password: 'y' }),
  ])
    send(b);
  send(makeCheck({ username: `${ufrag}:x`, password: 'wrong' }));
  await until(() => host.counts.length === 6);
  expect([...host.counts].sort()).toEqual([
    'junk/dtls-of-stranger',
    'junk/media-of-stranger',
    'junk/stun-forged',
    'junk/stun-header',
    'junk/stun-of-stranger',
    'junk/unknown',
  ]);
  expect(answers).toEqual([]);
  send(check);
  await until(() => answers.length === 1);
  expect(readStun(answers[0]!)).toMatchObject({ type: 0x0101 });
  // Now the address is known: media before DTLS is early, DTLS nonsense is nonsense.
  host.counts.length = 0;
  send(junk(128));
  send(junk(22));
  await until(() => host.counts.length === 2);
  expect([...host.counts].sort()).toEqual(['junk/dtls-record', 'junk/early-media']);
  expect(events.all.some(e => e.type === 'closed')).toBe(false);
  socket.close();
});

test('a port in use is said in a sentence', async () => {
  const other = createWebRtcAgent(fakeHost(), webrtcConfig.parse({ address: '127.0.0.1', port }));
  expect(await why(other.start())).toMatchObject({
    reason: 'port-unavailable',
    text: expect.stringMatching(/already in use: .*webrtc.port/),
  });
});

test('candidates', () => {
  const nic = (address: string, internal: boolean, family: 'IPv4' | 'IPv6' = 'IPv4') => ({
    address,
    internal,
    family,
    netmask: '',
    mac: '',
    cidr: null,
    scopeid: 0,
  });
  const interfaces = {
    lo: [nic('127.0.0.1', true), nic('::1', true, 'IPv6')],
    eth0: [nic('10.0.0.5', false), nic('2001:db8::5', false, 'IPv6'), nic('fe80::1', false, 'IPv6')],
    wifi: [nic('192.168.1.9', false)],
  } as never;
  const all = (listening: string, advertised: string, peer?: string) =>
    candidateAddresses({ listening, advertised, peer }, interfaces);
  expect(all('0.0.0.0', '10.0.0.5', '10.0.0.77')).toEqual(['10.0.0.5', '192.168.1.9']);
  expect(all('0.0.0.0', '127.0.0.1', '127.0.0.1')).toEqual(['127.0.0.1', '10.0.0.5', '192.168.1.9']);
  expect(all('0.0.0.0', '203.0.113.9', '10.0.0.77')).toEqual(['203.0.113.9']); // externalAddress
  expect(all('10.0.0.5', '10.0.0.5')).toEqual(['10.0.0.5']);
  expect(all('::', '2001:db8::5', '::1')).toEqual(['2001:db8::5', '::1']);
  expect(all('::', 'gw.example.org')).toEqual([]);
});

test('history gives back what it still has', () => {
  const history = new History();
  for (let seq = 65_500; seq < 65_600; seq++) history.put(seq & 0xffff, Buffer.from(`${seq}`));
  expect(Buffer.from(history.get(65_599 & 0xffff)!).toString()).toBe('65599');
  expect(Buffer.from(history.get(65_536 & 0xffff)!).toString()).toBe('65536');
  expect(history.get(65_535)).toBeUndefined();
  expect(history.get(7777)).toBeUndefined();
  history.put(1, Buffer.alloc(1200, 1));
  expect(history.get(1)!.length).toBe(1200);
});
