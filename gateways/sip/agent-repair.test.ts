import { afterEach, describe, expect, test } from 'vitest';
import type { Feedback } from '../../src/contract.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import { writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { endAll, until } from '../../test/harness/sip-agent.ts';
import {
  hex,
  IDR,
  mark,
  SLICE,
  sayKey,
  shown,
  type VideoCall,
  videoCall,
} from '../../test/harness/sip-video.ts';

afterEach(endAll);

/** Everything of one kind the phone was told about its pictures. */
const told = <T extends Rtcp['type']>(c: VideoCall, type: T): Extract<Rtcp, { type: T }>[] =>
  c.camera.reports
    .flatMap(r => (typeof r === 'string' ? [] : r))
    .filter((p): p is Extract<Rtcp, { type: T }> => p.type === type);
const signals = (c: VideoCall): number =>
  c.events.all.filter(e => e.type === 'keyframe-by-signalling').length;
const tell = (c: VideoCall, ...packets: Rtcp[]): void =>
  c.camera.rtcp.send(writeRtcp(packets), c.to + 1, '127.0.0.1');
/** A picture of one packet. */
const say = (c: VideoCall, payload: Buffer, seq: number): void =>
  c.camera.say(c.to, payload, { pt: 97, timestamp: seq * 3000, seq, marker: true });
const heard = (c: VideoCall): number => c.seat.publications[1]?.heard.length ?? 0;
async function seen(...lines: string[]): Promise<VideoCall> {
  const c = await videoCall(lines);
  sayKey(c, 0);
  await until(() => heard(c) === 3);
  return c;
}
const serving = {
  type: 'serving',
  format: { codec: 'H264', clockRate: 90_000 },
  how: 'passthrough',
} as const;

describe('what comes', () => {
  test('a lost packet is asked for, and everything stays in order', async () => {
    const c = await seen('a=rtcp-fb:* nack', 'a=rtcp-fb:* nack pli');
    say(c, SLICE, 504);
    say(c, SLICE, 507);
    say(c, SLICE, 508);
    await until(() => heard(c) === 4 && c.leg.stats()[2]!.packets === 6);
    c.clock.advance(9);
    await until(() => told(c, 'nack').length === 1);
    expect(told(c, 'nack')[0]).toMatchObject({ media: c.camera.ssrc, lost: [505, 506] });
    say(c, SLICE, 506);
    say(c, SLICE, 505);
    await until(() => heard(c) === 8);
    const { seq } = c.seat.publications[1]!.heard[3]!;
    expect(c.seat.publications[1]!.heard.slice(3).map(p => p.seq - seq)).toEqual([0, 1, 2, 3, 4]);
    c.clock.advance(1000);
    expect([told(c, 'nack').length, told(c, 'pli').length]).toEqual([1, 0]);
  });

  test('what stays lost is passed over, and costs a keyframe', async () => {
    const c = await seen('a=rtcp-fb:97 nack', 'a=rtcp-fb:97 nack pli');
    say(c, SLICE, 505);
    await until(() => c.leg.stats()[2]!.packets === 4);
    c.clock.advance(149);
    expect(heard(c)).toBe(3);
    c.clock.advance(1);
    expect(heard(c)).toBe(4);
    await until(() => told(c, 'pli').length === 1);
    expect(told(c, 'nack').map(n => n.lost)).toEqual([[504], [504], [504]]);
    expect(c.host.counts).toContain('rtp_dropped/video-gap');
    say(c, IDR, 506);
    await until(() => heard(c) === 5);
    c.clock.advance(5000);
    expect(c.leg.stats()[2]).toMatchObject({ keyframesAsked: 1, lost: 1 });
  });

  test('without NACK only overtaken packets are waited for', async () => {
    const c = await seen('a=rtcp-fb:* ccm fir');
    say(c, SLICE, 505);
    await until(() => c.leg.stats()[2]!.packets === 4);
    c.clock.advance(30);
    expect(heard(c)).toBe(4);
    await until(() => told(c, 'fir').length === 1);
    expect(told(c, 'nack')).toEqual([]);
    expect(told(c, 'fir')[0]!.entries).toEqual([{ ssrc: c.camera.ssrc, seq: 1 }]);
  });

  test('who has no feedback is asked by INFO, again and less often, until a keyframe comes', async () => {
    const c = await seen();
    c.seat.publications[1]!.ask({ type: 'keyframe' });
    expect(signals(c)).toBe(1);
    c.seat.publications[1]!.ask({ type: 'keyframe' });
    for (let seq = 504; seq < 513; seq++) {
      say(c, SLICE, seq);
      await until(() => heard(c) === seq - 500);
      c.clock.advance(500);
    }
    expect(signals(c)).toBe(4); // at 0, 0.4, 1.2 and 2.8 s
    say(c, IDR, 513);
    await until(() => heard(c) === 13);
    c.clock.advance(60_000);
    expect(signals(c)).toBe(4);
  });

  test('a camera that is off is not asked; the first packet that is no keyframe is', async () => {
    const c = await seen();
    c.clock.advance(10_000);
    c.seat.publications[1]!.ask({ type: 'keyframe' });
    c.clock.advance(10_000);
    expect(signals(c)).toBe(0);
    say(c, SLICE, 504);
    await until(() => signals(c) === 1);
  });
});

describe('what pictures may take', () => {
  test('of the peer: asked for as long as it does not answer, of who knows TMMBR only', async () => {
    const c = await seen('a=rtcp-fb:* ccm tmmbr');
    const ask = (bps: number): void => c.seat.publications[1]!.ask({ type: 'bitrate', bps });
    ask(400_000);
    await until(() => told(c, 'tmmbr').length === 1);
    const { sender, entries } = told(c, 'tmmbr')[0]!;
    expect(entries).toEqual([{ ssrc: c.camera.ssrc, bps: 416_000, overhead: 40 }]);
    c.clock.advance(1000);
    await until(() => told(c, 'tmmbr').length === 2);
    tell(
      c,
      { type: 'rr', ssrc: c.camera.ssrc, reports: [] },
      {
        type: 'tmmbn',
        sender: c.camera.ssrc,
        entries: [{ ssrc: sender, bps: 416_000, overhead: 40 }],
      },
    );
    tell(
      c,
      { type: 'rr', ssrc: c.camera.ssrc, reports: [] },
      { type: 'pli', sender: c.camera.ssrc, media: 0 },
    );
    await until(() => c.seat.subscriptions[1]!.asked.some(f => f.type === 'keyframe'));
    c.clock.advance(10_000);
    ask(500_000);
    await until(() => told(c, 'tmmbr').length === 3);

    const plain = await seen('a=rtcp-fb:* ccm fir');
    plain.seat.publications[1]!.ask({ type: 'bitrate', bps: 400_000 });
    plain.seat.publications[1]!.ask({ type: 'keyframe' });
    await until(() => told(plain, 'fir').length === 1);
    expect(told(plain, 'tmmbr')).toEqual([]);
  });

  test('of us: what the peer asks for is kept to, and it is told so', async () => {
    const c = await videoCall(['a=rtcp-fb:* ccm tmmbr']);
    const picture = c.seat.subscriptions[1]!;
    picture.on(serving);
    picture.sink(shown(1, 'one', mark({ key: true })), c.clock.now());
    await until(() => c.camera.heard.length === 1);
    const { ssrc } = c.camera.heard[0]!;
    tell(
      c,
      { type: 'rr', ssrc: c.camera.ssrc, reports: [] },
      {
        type: 'tmmbr',
        sender: c.camera.ssrc,
        entries: [{ ssrc, bps: 256_000, overhead: 40 }],
      },
    );
    await until(() => told(c, 'tmmbn').length === 1);
    expect(told(c, 'tmmbn')[0]).toMatchObject({
      sender: ssrc,
      entries: [{ ssrc: c.camera.ssrc, bps: 256_000, overhead: 40 }],
    });
    expect(picture.asked).toContainEqual({ type: 'bitrate', bps: 256_000 });
  });
});

describe('what goes', () => {
  test('a packet of the last second is sent again as it was', async () => {
    const c = await videoCall(['a=rtcp-fb:* nack']);
    const picture = c.seat.subscriptions[1]!;
    picture.on(serving);
    for (let i = 0; i < 5; i++) picture.sink(shown(i, `picture ${i}`, mark({ key: i === 0 })), c.clock.now());
    await until(() => c.camera.heard.length === 5);
    const [first, second] = c.camera.heard;
    const nack = { type: 'nack', sender: c.camera.ssrc, media: first!.ssrc, lost: [second!.seq] } as const;
    tell(c, { type: 'rr', ssrc: c.camera.ssrc, reports: [] }, nack);
    await until(() => c.camera.heard.length === 6);
    expect(c.camera.heard[5]).toEqual(second);
    tell(c, { ...nack, media: 77 });
    c.clock.advance(1100);
    tell(c, nack);
    await until(() => c.host.counts.includes('rtp_dropped/nack-too-late'));
    expect(c.camera.heard).toHaveLength(6);
  });

  test('PLI, FIR, the old FIR and INFO each ask the room; repetitions do not', async () => {
    const c = await videoCall();
    const { asked, on, sink } = c.seat.subscriptions[1]!;
    on(serving);
    sink(shown(1, 'x', mark({ key: true })), c.clock.now());
    await until(() => c.camera.heard.length === 1);
    const { ssrc } = c.camera.heard[0]!;
    const pli = { type: 'pli', sender: c.camera.ssrc, media: ssrc } as const;
    const fir = (seq: number) => ({ type: 'fir', sender: 1, entries: [{ ssrc, seq }] }) as const;
    const times = async (n: number, ...packets: Rtcp[]): Promise<void> => {
      c.clock.advance(250);
      const before = c.host.counts.length;
      tell(c, ...packets);
      c.camera.rtcp.send(hex('00'), c.to + 1, '127.0.0.1'); // junk behind it: when that is counted, all was read
      await until(() => c.host.counts.length > before);
      expect(asked).toHaveLength(n);
    };
    await times(1, pli, pli);
    await times(2, fir(5));
    await times(2, fir(5));
    await times(3, fir(6));
    await times(3, { ...pli, media: 99 });
    c.clock.advance(250);
    c.camera.rtcp.send(hex('80c0000112345678'), c.to + 1, '127.0.0.1'); // RFC 2032
    await until(() => asked.length === 4);
    c.clock.advance(250);
    c.leg.handle({ type: 'keyframe' });
    c.leg.handle({ type: 'keyframe' });
    expect(asked).toEqual(Array(5).fill({ type: 'keyframe' }));
    expect(c.leg.stats()[3]!.keyframesAsked).toBe(5);
  });

  test('a line that loses too much is told to the room', async () => {
    const c = await videoCall();
    const { asked, on, sink } = c.seat.subscriptions[1]!;
    on(serving);
    for (let i = 0; i < 50; i++) {
      sink(shown(i, 'x'.repeat(1000), mark({ key: i === 0 })), c.clock.now());
      c.clock.advance(40);
      if (i % 25 === 24) await until(() => c.camera.heard.length === i + 1);
    }
    const { ssrc } = c.camera.heard[0]!;
    const report = { ssrc, lost: 5, highestSeq: 50, jitter: 0, lastSr: 0, delaySinceLastSr: 0 };
    const lost = (fractionLost: number): void =>
      tell(c, { type: 'rr', ssrc: 1, reports: [{ ...report, fractionLost }] });
    lost(10);
    lost(128);
    await until(() => asked.length === 1);
    expect(asked[0]!.type).toBe('bitrate');
    const { bps } = asked[0] as Extract<Feedback, { type: 'bitrate' }>;
    expect(bps).toBeGreaterThan(90_000);
    expect(bps).toBeLessThan(105_000);
  });

  /** `n` packets at once, of a kilobyte each, ten to a picture. */
  const burst = (c: VideoCall, n: number, from = 0): void => {
    for (let i = from; i < from + n; i++) {
      const frame = mark({ start: i % 10 === 0, end: i % 10 === 9, key: i === 0 });
      c.seat.subscriptions[1]!.sink(shown(i, 'x'.repeat(1000), frame), c.clock.now());
    }
  };

  test('a group of pictures goes out at the pace the phone can take', async () => {
    const c = await videoCall(['b=TIAS:512000']);
    c.seat.subscriptions[1]!.on(serving);
    burst(c, 100);
    await until(() => c.camera.heard.length === 12);
    for (let ms = 0; ms < 500; ms += 10) c.clock.advance(10);
    await until(() => c.camera.heard.length >= 50);
    expect(c.camera.heard.length).toBeLessThan(65); // 12 at once, 96 bytes a ms
    for (let ms = 0; ms < 600; ms += 10) c.clock.advance(10);
    await until(() => c.camera.heard.length === 100);
    const [first] = c.camera.heard;
    expect(c.camera.heard.map(p => (p.seq - first!.seq) & 0xffff)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  test.each([
    [true, 1],
    [false, 0],
  ])(
    'a queue that does not end is dropped up to a keyframe (can be asked: %j)',
    async (canKeyframe, asks) => {
      const c = await videoCall(['b=TIAS:128000']);
      const picture = c.seat.subscriptions[1]!;
      const track = { ...c.seat.publications[0]!.track, id: 't', participant: 'bob', canKeyframe };
      picture.on({ ...serving, track });
      burst(c, 700);
      expect(picture.asked).toEqual([]); // never from inside the sink
      c.clock.advance(50);
      expect(picture.asked).toHaveLength(asks);
      expect(c.host.counts.filter(r => r === 'rtp_dropped/video-overrun')).toHaveLength(1);
      await until(() => c.camera.heard.length >= 12);
      const before = c.camera.heard.length;
      burst(c, 10, 701);
      c.clock.advance(2000);
      picture.sink(shown(720, 'key', mark({ key: true })), c.clock.now());
      await until(() => c.camera.heard.length > before);
      expect(c.camera.heard.slice(before).map(p => p.text)).toEqual(['key']);
    },
  );
});
