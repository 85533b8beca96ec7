import { afterEach, describe, expect, test } from 'vitest';
import { type Rtcp, unixOf, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { call, endAll, type PlainPhone, port, until } from '../../test/harness/sip-agent.ts';
import { mark, shown, videoCall } from '../../test/harness/sip-video.ts';

afterEach(endAll);

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

  test('sound and picture of the room are tied to one clock, under one name', async () => {
    const c = await videoCall();
    const [sound, picture] = c.seat.subscriptions;
    const format = { codec: 'H264', clockRate: 90_000 } as const;
    picture!.on({ type: 'serving', how: 'passthrough', format });
    const now = c.clock.now();
    sound!.time = () => now - 50;
    picture!.time = pts => now + pts / 90 - 300;
    sound!.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from('room') }, now);
    picture!.sink({ ...shown(0, 'key', mark({ key: true })), pts: 0 }, now);
    c.clock.advance(4000);
    await until(() => c.phone.reports.length > 0 && c.camera.reports.length > 0);
    const read = (phone: PlainPhone, clockRate: number) => {
      const compound = phone.reports[0] as Rtcp[];
      const [sr, sdes] = compound;
      if (sr?.type !== 'sr' || sdes?.type !== 'sdes') throw new Error('no sender report');
      const sent = phone.heard[0]!;
      const { cname } = sdes.chunks[0] as { cname?: string };
      return { cname, at: unixOf(sr.ntp) - ((sr.rtpTime - sent.timestamp) * 1000) / clockRate };
    };
    const heard = read(c.phone, 8000);
    const seen = read(c.camera, 90_000);
    expect(heard.at - seen.at).toBeCloseTo(250, 0);
    expect(heard.cname).toBe(seen.cname);
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
