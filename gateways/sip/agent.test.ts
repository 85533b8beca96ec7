import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import {
  answered,
  call,
  descriptionOf,
  endAll,
  onEnd,
  PlainPhone,
  port,
  request,
  setUp,
  until,
} from '../../test/harness/sip-agent.ts';
import type { SipConfig } from './config.ts';

afterEach(endAll);

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
    const stranger = await new PlainPhone().open();
    onEnd(() => stranger.close());
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
    expect(s.clock.armed).toBe(0);
    return (error as Refusal).why.reason;
  };

  test('no common codec, no audio, nonsense, and no more room', async () => {
    const phone = await new PlainPhone().open();
    onEnd(() => phone.close());
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
    expect(clock.armed).toBe(0);
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
    expect(clock.armed).toBe(0);
  });
});
