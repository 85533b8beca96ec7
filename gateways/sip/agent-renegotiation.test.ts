import { afterEach, describe, expect, test } from 'vitest';
import { type Sdp, writeSdp } from '../../src/proto/sdp/sdp.ts';
import {
  answered,
  type Call,
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
import { sipNative } from './native.ts';

afterEach(endAll);

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
    const moved = await new PlainPhone().open();
    onEnd(() => moved.close());
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

describe('a leg that goes on from one whose agent has died', () => {
  /** What the other agent had said, and a new leg for the same phone. */
  const moved = async (s: Call, last: Sdp, held: boolean, srtp: 'off' | 'optional' = 'off') => {
    const native = sipNative(undefined, srtp, { before: writeSdp(last), held });
    const on = await setUp();
    const leg = await on.agent.take(request({ type: 'make-offer', native }), on.seat, on.events.emit);
    return { ...on, phone: s.phone, leg, offer: descriptionOf(on.events, 0) };
  };

  test('the same session one version on, from another port; the codec in use first, by its number', async () => {
    const s = await call([], '8 101');
    const { leg, offer, phone, seat, clock } = await moved(s, s.local, false);
    expect(offer).toMatchObject({ sessionId: s.local.sessionId, version: s.local.version + 1 });
    expect(offer.sections).toHaveLength(1);
    expect(offer.sections[0]).toMatchObject({ direction: 'sendrecv' });
    expect(offer.sections[0]!.codecs[0]!.name).toBe('PCMA');
    expect(port(offer)).not.toBe(port(s.local));
    leg.handle({ type: 'answer', id: 0, native: phone.sdp([], '8 101') });
    await until(() => seat.subscriptions.length === 1);
    phone.say(port(offer), Buffer.from('still here'), { pt: 8 });
    await until(() => seat.publications[0]?.heard.length === 1);
    seat.subscriptions[0]!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('hi') }, clock.now());
    await until(() => phone.heard.length === 1);
    // Phones that heard next to nothing of the one before go by numbers, and drop what looks older.
    expect(phone.heard[0]!.seq).toBeGreaterThanOrEqual(0x4000);
  });

  test.each([
    ['sendonly', 'recvonly'],
    ['inactive', 'inactive'],
  ])('held by a=%s it stays held, and is resumed', async (theirs, ours) => {
    const s = await call();
    s.leg.handle({ type: 'offer', id: 1, native: s.phone.sdp([`a=${theirs}`]) });
    await answered(s.events, 1);
    const { leg, offer, phone, seat, events } = await moved(s, descriptionOf(s.events, 1), true);
    expect(offer.sections[0]!.direction).toBe(ours);
    leg.handle({ type: 'answer', id: 0, native: phone.sdp([`a=${theirs}`]) });
    await until(() => events.all.some(e => e.type === 'hold'));
    expect(seat.publications.every(p => p.paused)).toBe(true);
    expect(seat.subscriptions).toEqual([]);
    leg.handle({ type: 'offer', id: 1, native: phone.sdp() });
    await answered(events, 1);
    expect(descriptionOf(events, 1).sections[0]!.direction).toBe('sendrecv');
    expect(seat.publications[0]!.paused).toBe(false);
  });

  test('encrypted it stays, by new keys', async () => {
    const s = await call();
    const keys = { crypto: ['1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd'] };
    const audio = { ...s.local.sections[0]!, protocol: 'RTP/SAVP', ...keys };
    const { offer } = await moved(s, { ...s.local, sections: [audio] }, false, 'optional');
    expect(offer.sections[0]!.protocol).toBe('RTP/SAVP');
    expect(offer.sections[0]!.crypto!.length).toBeGreaterThan(0);
    expect(offer.sections[0]!.crypto).not.toContain(keys.crypto[0]);
  });

  test('pictures stay where they were, and none are added', async () => {
    const s = await call();
    const gone = {
      ...s.local.sections[0]!,
      kind: 'image',
      protocol: 'udptl',
      port: 0,
      codecs: [],
      formats: ['t38'],
    };
    const { offer } = await moved(s, { ...s.local, sections: [gone, s.local.sections[0]!] }, false);
    expect(offer.sections.map(m => m.kind)).toEqual(['image', 'audio']);
    expect(offer.sections[0]!.port).toBe(0);
  });
});
