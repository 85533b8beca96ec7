import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { Agent, Clock, Leg, LegRequest, Role } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import { readRtcp, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { parseSdp, type Sdp } from '../../src/proto/sdp/sdp.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { createSipAgent } from './agent.ts';
import { type SipConfig, sipConfig } from './config.ts';

/** Time stands still until the test moves it. */
class TestClock implements Clock {
  #now = 1000;
  readonly timers = new Set<{ when: number; run: () => void }>();
  now(): number {
    return this.#now;
  }
  at(when: number, run: () => void): () => void {
    const timer = { when, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.timers].filter(t => t.when <= end).sort((a, b) => a.when - b.when)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.when);
      this.timers.delete(next);
      next.run();
    }
    this.#now = end;
  }
}

/** A phone: plain sockets that say and hear RTP and RTCP. */
class Phone {
  readonly rtp = dgram.createSocket('udp4');
  readonly rtcp = dgram.createSocket('udp4');
  readonly heard: {
    payloadType: number;
    seq: number;
    timestamp: number;
    marker: boolean;
    text: string;
    ssrc: number;
  }[] = [];
  readonly reports: ReturnType<typeof readRtcp>[] = [];
  #seq = 500;
  ssrc = 0x1234;
  port = 0;
  async open(): Promise<this> {
    this.rtp.on('message', b => {
      const v = new RtpView();
      if ((b[1] as number) >= 192 && (b[1] as number) < 224) return void this.reports.push(readRtcp(b));
      v.read(b);
      const { payloadType, seq, timestamp, marker, ssrc } = v;
      this.heard.push({
        payloadType,
        seq,
        timestamp,
        marker,
        ssrc,
        text: Buffer.from(v.payload()).toString(),
      });
    });
    this.rtcp.on('message', b => this.reports.push(readRtcp(b)));
    this.rtp.bind(0, '127.0.0.1');
    this.rtcp.bind(0, '127.0.0.1');
    await Promise.all([once(this.rtp, 'listening'), once(this.rtcp, 'listening')]);
    this.port = this.rtp.address().port;
    return this;
  }
  sdp(lines: readonly string[] = [], formats = '0 101', address = '127.0.0.1'): { sdp: string } {
    const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', `c=IN IP4 ${address}`, 't=0 0'];
    sdp.push(`m=audio ${this.port} RTP/AVP ${formats}`, 'a=rtpmap:101 telephone-event/8000');
    sdp.push(`a=rtcp:${this.rtcp.address().port}`, ...lines, '');
    return { sdp: sdp.join('\r\n') };
  }
  say(to: number, payload: Buffer, o: { timestamp?: number; pt?: number; from?: dgram.Socket } = {}): void {
    const b = Buffer.alloc(12 + payload.length);
    this.#seq++;
    writeRtpHeader(b, o.pt ?? 0, false, this.#seq, o.timestamp ?? this.#seq * 160, this.ssrc);
    b.set(payload, 12);
    (o.from ?? this.rtp).send(b, to, '127.0.0.1');
  }
  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }
}

const undo: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run();
});

const config = sipConfig.parse({
  rtpPorts: { min: 0, max: 0 },
  codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
  maxLegs: 10,
});
const request = (begin: LegRequest['begin'], roles: readonly Role[] = ['send', 'receive']): LegRequest => ({
  v: 1,
  leg: 'leg-1',
  trace: 'call-1',
  gateway: 'sip',
  direction: begin.type === 'offer' ? 'in' : 'out',
  who: { user: 'anna', proof: 'claimed', address: '127.0.0.1' },
  room: '1000',
  roles,
  begin,
});

interface Call {
  clock: TestClock;
  host: ReturnType<typeof fakeHost>;
  agent: Agent;
  phone: Phone;
  seat: FakeSeat;
  events: Events;
  leg: Leg;
  local: Sdp;
}

const descriptionOf = (events: Events, id: number): Sdp => {
  const e = events.all.find(e => e.type === 'description' && e.id === id);
  const sdp = parseSdp((e as { native?: { sdp: string } } | undefined)?.native?.sdp ?? 'none');
  if (typeof sdp === 'string') throw new Error(sdp);
  return sdp;
};

async function setUp(o: Partial<SipConfig> = {}) {
  const clock = new TestClock();
  const host = fakeHost({ clock });
  const agent = createSipAgent(host, { ...config, ...o }, 'sip-1');
  await agent.start();
  const phone = await new Phone().open();
  undo.push(
    () => agent.close(),
    () => phone.close(),
  );
  return { clock, host, agent, phone, seat: new FakeSeat(), events: new Events() };
}

/** A call that was answered. */
async function call(lines: readonly string[] = [], formats?: string, roles?: readonly Role[]): Promise<Call> {
  const s = await setUp();
  const native = s.phone.sdp(lines, formats);
  const leg = await s.agent.take(request({ type: 'offer', native }, roles), s.seat, s.events.emit);
  return { ...s, leg, local: descriptionOf(s.events, 0) };
}

const port = (sdp: Sdp): number => sdp.sections[0]!.port;
const until = async (true_: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !true_(); i++) await new Promise(done => setTimeout(done, 5));
  if (!true_()) throw new Error('it never came');
};
const answered = (events: Events, id: number) =>
  until(() => events.all.some(e => (e.type === 'description' || e.type === 'refused') && e.id === id));

describe('an incoming call', () => {
  test('is answered, seated, heard and played to', async () => {
    const { phone, seat, leg, local, events, clock } = await call();
    expect(local.sections[0]!.codecs.map(c => c.name)).toEqual(['PCMU', 'telephone-event']);
    expect(seat.publications[0]!.track).toEqual({
      source: 'mic',
      format: { codec: 'PCMU', clockRate: 8000 },
      canKeyframe: false,
      syncGroup: 'leg-1',
    });
    expect(seat.isConfirmed).toBe(false);
    leg.handle({ type: 'confirmed' });
    expect(seat.isConfirmed).toBe(true);

    const loud = Buffer.alloc(160, 0x80); // µ-law full scale
    clock.advance(40);
    phone.say(port(local), loud);
    phone.say(port(local), Buffer.alloc(160, 0xff)); // µ-law zero
    const { heard } = seat.publications[0]!;
    await until(() => heard.length === 2);
    expect(Buffer.from(heard[0]!.payload)).toEqual(loud);
    expect(heard[0]!.level).toBeLessThan(1);
    expect(heard[1]!.level).toBe(127);
    expect(heard[1]!.seq).toBe(heard[0]!.seq + 1);
    expect(heard[1]!.pts).toBe(heard[0]!.pts + 160);
    expect(events.all).toContainEqual({ type: 'media', state: 'up' });

    expect(seat.subscriptions[0]!.want).toEqual({
      kind: 'mix',
      codec: { codec: 'PCMU', clockRate: 8000 },
      ptimeMs: 20,
    });
    seat.subscriptions[0]!.on({ type: 'serving', format: { codec: 'PCMU', clockRate: 8000 }, how: 'mix' });
    seat.subscriptions[0]!.sink(
      { seq: 7, pts: 70_000, marker: false, payload: Buffer.from('room 1') },
      clock.now(),
    );
    seat.subscriptions[0]!.sink(
      { seq: 8, pts: 70_160, marker: false, payload: Buffer.from('room 2') },
      clock.now(),
    );
    await until(() => phone.heard.length === 2);
    const [a, b] = phone.heard;
    expect(a).toMatchObject({ payloadType: 0, marker: true, text: 'room 1' });
    expect(b).toMatchObject({ marker: false, text: 'room 2', ssrc: a!.ssrc });
    expect([(b!.seq - a!.seq) & 0xffff, (b!.timestamp - a!.timestamp) >>> 0]).toEqual([1, 160]);
    expect(leg.stats()).toMatchObject([
      {
        direction: 'in',
        codec: 'PCMU',
        how: 'passthrough',
        packets: 2,
        bytes: 320,
        lost: 0,
        firstPacketMs: 40,
      },
      { direction: 'out', codec: 'PCMU', how: 'mix', packets: 2, bytes: 12 },
    ]);
  });

  test('a burst within one turn reaches the phone whole', async () => {
    const { phone, seat, clock } = await call();
    for (let i = 0; i < 30; i++)
      seat.subscriptions[0]!.sink(
        { seq: i, pts: i * 160, marker: false, payload: Buffer.from(`packet ${i}`) },
        clock.now(),
      );
    await until(() => phone.heard.length === 30);
    expect(phone.heard.map(p => p.text)).toEqual(Array.from({ length: 30 }, (_, i) => `packet ${i}`));
  });

  test('opus keeps its fmtp and its level', async () => {
    const opus = ['a=rtpmap:96 opus/48000/2', 'a=fmtp:96 maxplaybackrate=16000;useinbandfec=1'];
    const { phone, seat, local } = await call(opus, '96 0');
    const format = {
      codec: 'opus',
      clockRate: 48000,
      channels: 2,
      fmtp: { maxplaybackrate: '16000', useinbandfec: '1' },
    };
    expect(seat.publications[0]!.track.format).toEqual(format);
    expect(seat.subscriptions[0]!.want).toMatchObject({ codec: format });
    phone.say(port(local), Buffer.from([0xf8, 0xff, 0xfe]), { pt: 96 }); // an opus frame of silence
    await until(() => seat.publications[0]!.heard.length === 1);
    expect(seat.publications[0]!.heard[0]!.level).toBe(127);
  });

  test('junk and strangers are counted with a reason and heard by nobody', async () => {
    const { phone, seat, local, host } = await call();
    phone.rtp.send(Buffer.from('short'), port(local), '127.0.0.1');
    phone.rtp.send(Buffer.alloc(40, 0x3f), port(local), '127.0.0.1');
    phone.say(port(local), Buffer.alloc(160), { pt: 77 });
    phone.say(port(local), Buffer.from('mine'));
    await until(() => seat.publications[0]!.heard.length === 1);
    const stranger = await new Phone().open();
    undo.push(() => stranger.close());
    stranger.say(port(local), Buffer.from('stolen'));
    stranger.rtp.send(Buffer.from('80c9000700000007', 'hex'), port(local), '127.0.0.1');
    await until(() => host.counts.length >= 5);
    expect(host.counts.sort()).toEqual(
      [
        'rtp_dropped/not-from-peer',
        'rtp_dropped/not-rtp',
        'rtp_dropped/not-rtp',
        'rtp_dropped/payload-type',
        'rtp_dropped/rtcp-length',
      ].sort(),
    );
    expect(seat.publications[0]!.heard).toHaveLength(1);
  });

  test('a phone behind NAT is answered where its packets come from', async () => {
    const s = await setUp();
    const native = s.phone.sdp([], '0', '192.168.77.5');
    await s.agent.take(request({ type: 'offer', native }), s.seat, s.events.emit);
    s.phone.say(port(descriptionOf(s.events, 0)), Buffer.from('hello'));
    await until(() => s.seat.publications[0]!.heard.length === 1);
    s.seat.subscriptions[0]!.sink(
      { seq: 1, pts: 1, marker: false, payload: Buffer.from('found you') },
      s.clock.now(),
    );
    await until(() => s.phone.heard.length === 1);
    expect(s.phone.heard[0]!.text).toBe('found you');
  });

  test('keys come once each', async () => {
    const { phone, local, events, seat } = await call();
    const key = (code: number, end: boolean) => Buffer.from([code, end ? 0x8a : 10, 3, 0x20]);
    for (const [i, code] of [9, 11].entries())
      for (const end of [false, false, true, true, true])
        phone.say(port(local), key(code, end), { pt: 101, timestamp: 90_000 + i * 4000 });
    phone.say(port(local), Buffer.from('sound'));
    await until(() => seat.publications[0]!.heard.length === 1);
    expect(events.all.filter(e => e.type === 'dtmf')).toEqual([
      { type: 'dtmf', digit: '9', ms: 100, via: 'rtp' },
      { type: 'dtmf', digit: '#', ms: 100, via: 'rtp' },
    ]);
  });

  test('a key whose end is lost is told by the timer', async () => {
    const { phone, local, events, clock, leg } = await call();
    phone.say(port(local), Buffer.from([5, 10, 3, 0x20]), { pt: 101, timestamp: 90_000 });
    await until(() => leg.stats()[0]!.packets === 1);
    clock.advance(300);
    expect(events.all).toContainEqual({ type: 'dtmf', digit: '5', ms: 100, via: 'rtp' });
  });

  test.each([
    [['send'], 'recvonly', 1, 0],
    [['receive'], 'sendonly', 0, 1],
  ] as const)(
    'with the roles %j it is answered %s',
    async (roles, direction, publications, subscriptions) => {
      const { local, seat } = await call([], '0', roles);
      expect(local.sections[0]!.direction).toBe(direction);
      expect([seat.publications.length, seat.subscriptions.length]).toEqual([publications, subscriptions]);
    },
  );
});

describe('refusing', () => {
  const refused = async (native: { sdp: string }, o: Partial<SipConfig> = {}) => {
    const s = await setUp(o);
    const error = await s.agent
      .take(request({ type: 'offer', native }), s.seat, s.events.emit)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect(s.events.all).toEqual([]);
    expect(s.clock.timers.size).toBe(0);
    return (error as Refusal).why.reason;
  };

  test('no common codec, no audio, nonsense, and no more room', async () => {
    const phone = await new Phone().open();
    undo.push(() => phone.close());
    expect(await refused(phone.sdp([], '18 101'))).toBe('no-common-codec');
    expect(await refused({ sdp: phone.sdp().sdp.replace('m=audio', 'm=video') })).toBe('no-audio');
    expect(await refused({ sdp: 'hello' })).toBe('bad-sdp');
    expect(await refused({} as { sdp: string })).toBe('bad-sdp');
    expect(await refused(phone.sdp(), { maxLegs: 0 })).toBe('agent-full');
  });

  test('a refused call leaves its ports and its place to the next', async () => {
    const s = await setUp({ maxLegs: 1 });
    const begin = (formats: string) =>
      s.agent.take(request({ type: 'offer', native: s.phone.sdp([], formats) }), s.seat, s.events.emit);
    for (let i = 0; i < 3; i++) await expect(begin('18')).rejects.toBeInstanceOf(Refusal);
    await begin('0');
    await expect(begin('0')).rejects.toMatchObject({ why: { reason: 'agent-full' } });
  });
});

describe('re-INVITE', () => {
  test.each([
    ['a=sendonly', 'recvonly'],
    ['a=inactive', 'inactive'],
    ['c=IN IP4 0.0.0.0', 'recvonly'],
  ])('hold by %s, and resume', async (line, direction) => {
    const { leg, phone, seat, events, local, clock } = await call();
    leg.handle({ type: 'offer', id: 1, native: phone.sdp([line]) });
    await answered(events, 1);
    const held = descriptionOf(events, 1);
    expect(held.sections[0]!.direction).toBe(direction);
    expect(held).toMatchObject({ sessionId: local.sessionId, version: local.version + 1 });
    expect(events.all).toContainEqual({ type: 'hold', by: 'peer' });
    expect(seat.publications[0]!.paused).toBe(true);
    expect(seat.subscriptions[0]!.closed).toBe(true);
    phone.say(port(local), Buffer.from('music on hold'));
    await until(() => leg.stats()[0]!.packets === 1);
    clock.advance(60_000);
    expect(events.all).not.toContainEqual({ type: 'media', state: 'silent' });

    leg.handle({ type: 'offer', id: 2, native: phone.sdp() });
    await answered(events, 2);
    expect(descriptionOf(events, 2).sections[0]!.direction).toBe('sendrecv');
    expect(events.all.filter(e => e.type === 'hold').map(e => e.by)).toEqual(['peer', 'none']);
    expect(seat.publications[0]!.paused).toBe(false);
    phone.say(port(local), Buffer.from('back'));
    await until(() => seat.publications[0]!.heard.length === 1);
    seat.subscriptions[1]!.sink(
      { seq: 1, pts: 1, marker: false, payload: Buffer.from('welcome') },
      clock.now(),
    );
    await until(() => phone.heard.length === 1);
    expect(Buffer.from(seat.publications[0]!.heard[0]!.payload).toString()).toBe('back');
  });

  test('an unchanged one is answered with the same version', async () => {
    const { leg, phone, events, local } = await call();
    leg.handle({ type: 'offer', id: 1, native: phone.sdp() });
    await answered(events, 1);
    expect(descriptionOf(events, 1)).toEqual(local);
  });

  test('a change of codec goes on in the same publication; old packets still under way are understood', async () => {
    const { leg, phone, seat, events, local } = await call();
    phone.say(port(local), Buffer.from('in PCMU'));
    await until(() => seat.publications[0]!.heard.length === 1);
    leg.handle({ type: 'offer', id: 1, native: phone.sdp([], '8 101') });
    await answered(events, 1);
    expect(seat.subscriptions[0]!.want).toMatchObject({ codec: { codec: 'PCMA' } });
    phone.say(port(local), Buffer.from('late PCMU'));
    await until(() => seat.publications[0]!.heard.length === 2);
    expect(seat.publications[0]!.current.codec).toBe('PCMU');
    phone.say(port(local), Buffer.from('in PCMA'), { pt: 8 });
    await until(() => seat.publications[0]!.heard.length === 3);
    expect(seat.publications[0]!.current.codec).toBe('PCMA');
    expect(seat.publications).toHaveLength(1);
    const [a, b, c] = seat.publications[0]!.heard;
    expect([b!.seq, c!.seq]).toEqual([a!.seq + 1, a!.seq + 2]);
    seat.subscriptions[0]!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('x') }, 0);
    await until(() => phone.heard.length === 1);
    expect(phone.heard[0]!.payloadType).toBe(8);
  });

  test('a new address moves the stream', async () => {
    const { leg, phone, seat, events, local, clock } = await call();
    const moved = await new Phone().open();
    undo.push(() => moved.close());
    phone.say(port(local), Buffer.from('old'));
    await until(() => seat.publications[0]!.heard.length === 1);
    leg.handle({ type: 'offer', id: 1, native: moved.sdp() });
    await answered(events, 1);
    moved.ssrc = 0x9999;
    moved.say(port(local), Buffer.from('new 1'));
    moved.say(port(local), Buffer.from('new 2'));
    await until(() => seat.publications[0]!.heard.length === 2);
    seat.subscriptions[0]!.sink(
      { seq: 1, pts: 1, marker: false, payload: Buffer.from('follows') },
      clock.now(),
    );
    await until(() => moved.heard.length === 1);
    expect(phone.heard).toHaveLength(0);
  });

  test('one that cannot be had (T.38) is refused and the call lives', async () => {
    const { leg, phone, seat, events, local } = await call();
    const fax = { sdp: phone.sdp().sdp.replace(/m=audio.*/, 'm=image 6000 udptl t38') };
    leg.handle({ type: 'offer', id: 5, native: fax });
    await answered(events, 5);
    expect(events.all.find(e => e.type === 'refused')).toMatchObject({
      id: 5,
      why: { blame: 'client', reason: 'no-audio' },
    });
    phone.say(port(local), Buffer.from('still here'));
    await until(() => seat.publications[0]!.heard.length === 1);
  });

  test('a withdrawn offer leaves everything as it was', async () => {
    const { leg, phone, seat, events, local } = await call();
    leg.handle({ type: 'offer', id: 1, native: phone.sdp(['a=sendonly'], '8') });
    leg.handle({ type: 'rollback', id: 1 });
    leg.handle({ type: 'make-offer', id: 2, why: 'refresh' });
    leg.handle({ type: 'rollback', id: 2 });
    leg.handle({ type: 'answer', id: 2, native: phone.sdp() });
    await until(() => events.all.some(e => e.type === 'refused'));
    expect(events.all.filter(e => e.type === 'hold').map(e => e.by)).toEqual(['peer', 'none']);
    expect(seat.subscriptions.at(-1)).toMatchObject({ closed: false, want: { codec: { codec: 'PCMU' } } });
    phone.say(port(local), Buffer.from('as before'));
    await until(() => seat.publications[0]!.heard.length === 1);
  });

  test('a key the front read from an INFO is told like any other', async () => {
    const { leg, events } = await call();
    leg.handle({ type: 'dtmf', digit: '7', ms: 160 });
    expect(events.all).toContainEqual({ type: 'dtmf', digit: '7', ms: 160, via: 'info' });
  });

  test('commands are answered in their order', async () => {
    const { leg, phone, events } = await call();
    leg.handle({ type: 'offer', id: 1, native: phone.sdp(['a=sendonly']) });
    leg.handle({ type: 'offer', id: 2, native: { sdp: 'junk' } });
    leg.handle({ type: 'offer', id: 3, native: phone.sdp() });
    await answered(events, 3);
    expect(
      events.all.flatMap(e =>
        e.type === 'description' || e.type === 'refused' ? [`${e.type} ${e.id}`] : [],
      ),
    ).toEqual(['description 0', 'description 1', 'refused 2', 'description 3']);
  });
});

describe('offers of ours', () => {
  test('dial: offer, early packets, answer with other numbers', async () => {
    const s = await setUp();
    const leg = await s.agent.take(request({ type: 'make-offer' }), s.seat, s.events.emit);
    const offer = descriptionOf(s.events, 0);
    expect(offer.sections[0]!.codecs.map(c => c.name)).toEqual([
      'opus',
      'G722',
      'PCMU',
      'PCMA',
      'telephone-event',
      'telephone-event',
    ]);
    s.phone.say(port(offer), Buffer.from('ringback'));
    leg.handle({
      type: 'answer',
      id: 0,
      native: s.phone.sdp(['a=rtpmap:120 opus/48000/2', 'a=rtcp-mux'], '120'),
    });
    await until(() => s.seat.subscriptions.length === 1);
    s.seat.subscriptions[0]!.sink(
      { seq: 1, pts: 1, marker: false, payload: Buffer.from('hi') },
      s.clock.now(),
    );
    await until(() => s.phone.heard.length === 1);
    expect(s.phone.heard[0]!.payloadType).toBe(120);
    s.phone.say(port(offer), Buffer.from([0xf8, 0xff, 0xfe]), { pt: 96 });
    await until(() => s.seat.publications[0]!.heard.length === 1);
    expect(s.seat.publications[0]!.current.codec).toBe('opus');
    s.clock.advance(10_000);
    await until(() => s.phone.reports.length > 0); // on the RTP port, as agreed
  });

  test('an answer without a common codec, or without an offer, is refused', async () => {
    const s = await setUp();
    const leg = await s.agent.take(request({ type: 'make-offer' }), s.seat, s.events.emit);
    leg.handle({ type: 'answer', id: 0, native: s.phone.sdp([], '18') });
    await answered(s.events, 0);
    await until(() => s.events.all.some(e => e.type === 'refused'));
    leg.handle({ type: 'rollback', id: 0 });
    leg.handle({ type: 'answer', id: 7, native: s.phone.sdp([], '0') });
    await answered(s.events, 7);
    expect(s.events.all.flatMap(e => (e.type === 'refused' ? [e.why.reason] : []))).toEqual([
      'no-common-codec',
      'unexpected-answer',
    ]);
  });

  test('offerless re-INVITE: the codec in use first, the same session, a higher version', async () => {
    const { leg, events, local } = await call([], '8 101');
    leg.handle({ type: 'make-offer', id: 4, why: 'offerless' });
    await answered(events, 4);
    const offer = descriptionOf(events, 4);
    expect(offer.sections[0]!.codecs[0]!.name).toBe('PCMA');
    expect(offer).toMatchObject({ sessionId: local.sessionId, version: local.version + 1 });
    expect(
      offer.sections[0]!.codecs.find(c => c.name === 'telephone-event' && c.clockRate === 8000)!.payloadType,
    ).toBe(101);
  });
});

describe('RTCP and silence', () => {
  test('reports go to the port the phone named, with what was heard; BYE ends it', async () => {
    const { phone, seat, local, clock, leg } = await call();
    for (const text of ['a', 'b', 'c']) phone.say(port(local), Buffer.from(text));
    await until(() => seat.publications[0]!.heard.length === 3);
    seat.subscriptions[0]!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('room') }, clock.now());
    clock.advance(4000); // the first comes within 0.5 … 1.5 of 2.5 s, over 1.2
    await until(() => phone.reports.length >= 1);
    expect(phone.reports[0]).toMatchObject([
      { type: 'sr', packets: 1, octets: 4, reports: [{ ssrc: phone.ssrc, lost: 0 }] },
      { type: 'sdes' },
    ]);
    const before = phone.reports.length;
    leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
    await until(() => phone.reports.length > before);
    expect(phone.reports.at(-1)).toMatchObject([{}, { type: 'sdes' }, { type: 'bye' }]);
  });

  test('the phone’s reports give round trip and loss, its sender report the capture clock', async () => {
    const { phone, seat, local, clock, leg } = await call();
    phone.say(port(local), Buffer.from('a'), { timestamp: 16_000 });
    await until(() => seat.publications[0]!.heard.length === 1);
    seat.subscriptions[0]!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('room') }, clock.now());
    clock.advance(4000);
    await until(() => phone.reports.length >= 1);
    const [sr] = phone.reports[0] as { type: 'sr'; ssrc: number; ntp: bigint }[];
    clock.advance(150);
    const unixMs = 1_700_000_000_000;
    const report = { ssrc: sr!.ssrc, fractionLost: 0, lost: 7, highestSeq: 1, jitter: 80 };
    const lastSr = Number((sr!.ntp >> 16n) & 0xffffffffn);
    const sent = clock.now();
    phone.rtcp.send(
      writeRtcp([
        {
          type: 'sr',
          ssrc: phone.ssrc,
          ntp: BigInt(unixMs / 1000 + 2_208_988_800) << 32n,
          rtpTime: 16_800,
          packets: 1,
          octets: 1,
          reports: [{ ...report, lastSr, delaySinceLastSr: 6554 }],
        },
      ]),
      port(local) + 1,
      '127.0.0.1',
    );
    await until(() => seat.publications[0]!.clocks.length === 1);
    expect(clock.now()).toBe(sent);
    expect(seat.publications[0]!.clocks[0]).toEqual({
      pts: seat.publications[0]!.heard[0]!.pts + 800,
      captureMs: unixMs,
    });
    expect(leg.stats()[1]).toMatchObject({ lost: 7, jitterMs: 10 });
    expect(leg.stats()[1]!.rttMs).toBeGreaterThanOrEqual(49);
  });

  test('fifteen seconds without sound are told once, and the call goes on', async () => {
    const { phone, seat, events, local, clock } = await call();
    clock.advance(14_900);
    expect(events.all.filter(e => e.type === 'media')).toEqual([]);
    clock.advance(60_000);
    expect(events.all.filter(e => e.type === 'media')).toEqual([{ type: 'media', state: 'silent' }]);
    phone.say(port(local), Buffer.from('here I am'));
    await until(() => seat.publications[0]!.heard.length === 1);
    clock.advance(14_000);
    phone.say(port(local), Buffer.from('still'));
    await until(() => seat.publications[0]!.heard.length === 2);
    clock.advance(14_000);
    expect(events.all.filter(e => e.type === 'media').map(e => e.state)).toEqual(['silent', 'up']);
    clock.advance(2000);
    expect(events.all.filter(e => e.type === 'media').map(e => e.state)).toEqual(['silent', 'up', 'silent']);
    expect(events.all.some(e => e.type === 'closed')).toBe(false);
  });
});

describe('ending', () => {
  test('mute pauses, and hold on top of it does not undo it', async () => {
    const { leg, phone, seat, events, local } = await call();
    leg.handle({ type: 'mute', media: 'audio', on: true });
    expect(seat.publications[0]!.paused).toBe(true);
    leg.handle({ type: 'offer', id: 1, native: phone.sdp(['a=sendonly']) });
    leg.handle({ type: 'offer', id: 2, native: phone.sdp() });
    await answered(events, 2);
    expect(seat.publications[0]!.paused).toBe(true);
    leg.handle({ type: 'mute', media: 'audio', on: false });
    expect(seat.publications[0]!.paused).toBe(false);
    phone.say(port(local), Buffer.from('again'));
    await until(() => seat.publications[0]!.heard.length === 1);
  });

  test('close releases everything and tells once', async () => {
    const { leg, seat, events, clock, local } = await call();
    const why = { blame: 'none', reason: 'hung-up' } as const;
    leg.handle({ type: 'close', why });
    leg.handle({ type: 'close', why });
    leg.handle({ type: 'offer', id: 9, native: { sdp: 'x' } });
    leg.handle({ type: 'mute', media: 'audio', on: true });
    expect(events.all.filter(e => e.type === 'closed')).toEqual([{ type: 'closed', why }]);
    expect(seat.publications[0]!.closed && seat.subscriptions[0]!.closed).toBe(true);
    expect(clock.timers.size).toBe(0);
    seat.subscriptions[0]!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('late') }, 0);
    const again = dgram.createSocket('udp4').bind(port(local), '0.0.0.0'); // the port is free again
    await once(again, 'listening');
    again.close();
  });

  test('an agent that closes ends its legs; it takes no more', async () => {
    const { agent, events, phone, seat } = await call();
    await agent.close();
    await agent.close();
    expect(events.all.at(-1)).toMatchObject({ type: 'closed', why: { reason: 'shutting-down' } });
    await expect(
      agent.take(request({ type: 'offer', native: phone.sdp() }), seat, events.emit),
    ).rejects.toMatchObject({
      why: { reason: 'shutting-down' },
    });
  });

  test('a bug in the room kills this leg only', async () => {
    const { phone, seat, events, local, clock } = await call();
    Object.defineProperty(seat.publications[0], 'sink', {
      value: () => {
        throw new Error('a bug');
      },
    });
    phone.say(port(local), Buffer.from('x'));
    const closed = await events.next('closed');
    expect(closed.why).toMatchObject({ blame: 'server', reason: 'internal-error' });
    expect(clock.timers.size).toBe(0);
  });
});
