import { afterEach, describe, expect, test } from 'vitest';
import {
  answered,
  descriptionOf,
  endAll,
  onEnd,
  PlainPhone,
  request,
  setUp,
  until,
} from '../../test/harness/sip-agent.ts';
import { BASELINE, IDR, sayKey, videoCall, videoLines } from '../../test/harness/sip-video.ts';

afterEach(endAll);

describe('re-INVITE with pictures', () => {
  test('adds pictures, takes them away, brings them back on the same port', async () => {
    const c = await videoCall();
    const { leg, phone, seat, events, camera } = c;
    sayKey(c, 3000);
    await until(() => seat.publications.length === 2);
    const off = videoLines(camera, BASELINE).map((l, i) => (i === 0 ? 'm=video 0 RTP/AVP 97' : l));
    leg.handle({ type: 'offer', id: 1, native: phone.sdp(off) });
    await answered(events, 1);
    expect(descriptionOf(events, 1).sections[1]!.port).toBe(0);
    expect([seat.publications[1]!.closed, seat.subscriptions[1]!.closed]).toEqual([true, true]);
    camera.say(c.to, IDR, { pt: 97, timestamp: 6000, marker: true });
    await until(() => c.host.counts.includes('rtp_dropped/video-not-agreed'));

    leg.handle({ type: 'offer', id: 2, native: phone.sdp(videoLines(camera, BASELINE)) });
    await answered(events, 2);
    expect(descriptionOf(events, 2).sections[1]!.port).toBe(c.to);
    sayKey(c, 9000);
    await until(() => seat.publications.length === 3);
    expect(seat.subscriptions).toHaveLength(3);
  });

  test('of a phone that began without', async () => {
    const s = await setUp();
    const camera = await new PlainPhone().open();
    onEnd(() => camera.close());
    const leg = await s.agent.take(request({ type: 'offer', native: s.phone.sdp() }), s.seat, s.events.emit);
    leg.handle({ type: 'offer', id: 1, native: s.phone.sdp(videoLines(camera, BASELINE)) });
    await answered(s.events, 1);
    const local = descriptionOf(s.events, 1);
    expect(local.sections.map(x => x.kind)).toEqual(['audio', 'video']);
    sayKey({ ...s, leg, local, camera, to: local.sections[1]!.port }, 3000);
    await until(() => s.seat.publications.length === 2);
  });

  test('hold pauses both, and the pictures come back with a keyframe', async () => {
    const c = await videoCall(['a=rtcp-fb:* nack pli']);
    const { leg, phone, seat, events, camera, clock } = c;
    sayKey(c, 3000);
    await until(() => seat.publications.length === 2);
    const held = [...videoLines(camera, BASELINE, 'a=rtcp-fb:* nack pli'), 'a=inactive'];
    leg.handle({ type: 'offer', id: 1, native: phone.sdp(['a=sendonly', ...held]) });
    await answered(events, 1);
    expect(seat.publications.map(p => [p.paused, p.closed])).toEqual([
      [true, false],
      [true, false],
    ]);
    expect(seat.subscriptions.map(x => x.closed)).toEqual([true, true]);
    clock.advance(1000);
    const before = camera.reports.length;
    leg.handle({
      type: 'offer',
      id: 2,
      native: phone.sdp(videoLines(camera, BASELINE, 'a=rtcp-fb:* nack pli')),
    });
    await answered(events, 2);
    expect(seat.publications.map(p => p.paused)).toEqual([false, false]);
    await until(() => camera.reports.slice(before).some(plis));
  });

  test('a camera that is switched off by direction leaves the room; mute only pauses it', async () => {
    const c = await videoCall();
    sayKey(c, 3000);
    await until(() => c.seat.publications.length === 2);
    c.leg.handle({ type: 'mute', media: 'video', on: true });
    expect(c.seat.publications.map(p => p.paused)).toEqual([false, true]);
    c.leg.handle({ type: 'mute', media: 'video', on: false });
    expect(c.seat.publications[1]!.paused).toBe(false);
    const watching = videoLines(c.camera, BASELINE, 'a=recvonly');
    c.leg.handle({ type: 'offer', id: 1, native: c.phone.sdp(watching) });
    await answered(c.events, 1);
    expect([c.seat.publications[1]!.closed, c.seat.subscriptions[1]!.closed]).toEqual([true, false]);
  });

  test('one that is withdrawn gives the pictures back', async () => {
    const c = await videoCall();
    c.leg.handle({ type: 'offer', id: 1, native: c.phone.sdp() });
    await answered(c.events, 1);
    expect(c.seat.subscriptions[1]!.closed).toBe(true);
    c.leg.handle({ type: 'rollback', id: 1 });
    await until(() => c.seat.subscriptions.length === 3);
    sayKey(c, 3000);
    await until(() => c.seat.publications.length === 2);
  });
});

const plis = (r: PlainPhone['reports'][number]): boolean =>
  typeof r !== 'string' && r.some(p => p.type === 'pli');

describe('offers of ours with pictures', () => {
  test('have pictures; an answer without gives the ports back', async () => {
    const s = await setUp();
    const leg = await s.agent.take(request({ type: 'make-offer' }), s.seat, s.events.emit);
    const [, video] = descriptionOf(s.events, 0).sections;
    expect([video!.kind, ...video!.codecs.map(x => x.name)]).toEqual(['video', 'H264', 'H264', 'VP8']);
    leg.handle({ type: 'answer', id: 0, native: s.phone.sdp() });
    await until(() => s.seat.subscriptions.length === 1);
    leg.handle({ type: 'make-offer', id: 1, why: 'refresh' });
    await answered(s.events, 1);
    expect(descriptionOf(s.events, 1).sections.map(x => x.port > 0)).toEqual([true, false]);
    leg.handle({ type: 'rollback', id: 1 });
    leg.handle({ type: 'make-offer', id: 2, why: 'offerless' });
    await answered(s.events, 2);
    expect(descriptionOf(s.events, 2).sections.map(x => x.port > 0)).toEqual([true, true]);
  });

  test('an answer with pictures makes them flow both ways', async () => {
    const s = await setUp();
    const camera = await new PlainPhone().open();
    onEnd(() => camera.close());
    const leg = await s.agent.take(request({ type: 'make-offer' }), s.seat, s.events.emit);
    const offer = descriptionOf(s.events, 0);
    leg.handle({ type: 'answer', id: 0, native: s.phone.sdp(videoLines(camera, BASELINE)) });
    await until(() => s.seat.subscriptions.length === 2);
    sayKey({ ...s, leg, local: offer, camera, to: offer.sections[1]!.port }, 3000);
    await until(() => s.seat.publications.length === 2);
  });
});
