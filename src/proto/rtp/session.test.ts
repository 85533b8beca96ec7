import { parse as parseRtp, serialize } from 'rtp-packet';
import { describe, expect, test } from 'vitest';
import { readRtcp, writeRtcp } from './rtcp.ts';
import { RtpSession } from './session.ts';

let drawn = 0;
const random = (n: number): Buffer => Buffer.alloc(n, ++drawn);
const session = () => {
  const s = new RtpSession({ cname: 'me', random, unixAtZero: 1_700_000_000_000, now: 0 });
  s.receiver.expect(
    new Map([
      [0, 8000],
      [111, 48000],
    ]),
    new Set([101]),
  );
  return s;
};
const rtp = (seq: number, timestamp: number, o: { ssrc?: number; pt?: number; text?: string } = {}): Buffer =>
  Buffer.from(
    serialize({
      payloadType: o.pt ?? 0,
      sequenceNumber: seq & 0xffff,
      timestamp: timestamp >>> 0,
      ssrc: o.ssrc ?? 5,
      marker: false,
      payload: Buffer.from(o.text ?? 'sound'),
    }),
  );

describe('receiving', () => {
  test('payload, extended counters over both wraps', () => {
    const { receiver } = session();
    const got: [number, number][] = [];
    for (let i = 0; i < 4; i++) {
      expect(
        receiver.read(rtp(65_534 + i, 2 ** 32 - 320 + i * 160, { text: `p${i}` }), i * 20),
      ).toBeUndefined();
      expect(Buffer.from(receiver.packet.payload).toString()).toBe(`p${i}`);
      got.push([receiver.packet.seq, receiver.packet.pts]);
    }
    const [[seq, pts]] = got as [[number, number]];
    expect(got).toEqual([0, 1, 2, 3].map(i => [seq + i, pts + i * 160]));
    expect(receiver.totals).toEqual({ packets: 4, bytes: 8, lost: 0 });
  });

  test('loss and reordering stay as they are; duplicates end here', () => {
    const { receiver } = session();
    const seqs = [10, 11, 13, 12, 12, 13, 20].map(s =>
      receiver.read(rtp(s, s * 160), s * 20) === undefined ? receiver.packet.seq - 65_536 : 'dropped',
    );
    expect(seqs).toEqual([0, 1, 3, 2, 'dropped', 'dropped', 10]);
    expect(receiver.totals.lost).toBe(6);
  });

  test('a packet older than the first is not negative', () => {
    const { receiver } = session();
    receiver.read(rtp(10, 1600), 0);
    expect(receiver.read(rtp(9, 1440), 1)).toBeUndefined();
    expect(receiver.packet).toMatchObject({ seq: 65_535, pts: -160 });
  });

  test('events and comfort noise ride along without a hole in the sound', () => {
    const { receiver } = session();
    receiver.read(rtp(1, 160), 0);
    const before = receiver.packet.seq;
    expect(receiver.read(rtp(2, 320, { pt: 101, text: 'abcd' }), 20)).toBeUndefined();
    expect(receiver).toMatchObject({ aside: true, payloadType: 101 });
    expect(receiver.packet.pts).toBe(320);
    expect(receiver.read(rtp(3, 320, { pt: 13 }), 40)).toBe('payload-type');
    expect(receiver.read(rtp(4, 640), 60)).toBeUndefined();
    expect(receiver).toMatchObject({ aside: false });
    expect(receiver.packet.seq).toBe(before + 1);
    expect(receiver.totals.lost).toBe(0);
  });

  test('another SSRC is believed at its second packet and continues the line by the time that passed', () => {
    const { receiver } = session();
    receiver.read(rtp(1, 160), 0);
    const { seq, pts } = receiver.packet;
    expect(receiver.read(rtp(9000, 77, { ssrc: 6 }), 980)).toBe('ssrc');
    expect(receiver.read(rtp(9001, 237, { ssrc: 6 }), 1000)).toBeUndefined();
    expect(receiver.packet).toMatchObject({ seq: seq + 1, pts: pts + 8000 });
    expect(receiver.totals).toMatchObject({ packets: 2, lost: 0 });
  });

  test('packets of a stranger between those of the stream never take it over', () => {
    const { receiver } = session();
    for (let i = 0; i < 20; i++) {
      expect(receiver.read(rtp(i, i * 160), i * 20)).toBeUndefined();
      expect(receiver.read(rtp(500 + i, 0, { ssrc: 6 }), i * 20)).toBe('ssrc');
    }
  });

  test('a sequence that jumps is a restart at its second packet', () => {
    const { receiver } = session();
    receiver.read(rtp(1, 160), 0);
    expect(receiver.read(rtp(30_000, 160), 20)).toBe('sequence-jump');
    expect(receiver.read(rtp(2, 320), 20)).toBeUndefined();
    expect(receiver.read(rtp(40_000, 0), 40)).toBe('sequence-jump');
    expect(receiver.read(rtp(40_001, 160), 60)).toBeUndefined();
    expect(receiver.packet.seq).toBe(65_536 + 2);
    expect(receiver.totals.lost).toBe(0);
  });

  test('a codec with another clock goes on in its own units', () => {
    const { receiver } = session();
    receiver.read(rtp(1, 160), 0);
    const { pts } = receiver.packet;
    expect(receiver.read(rtp(2, 99_999, { pt: 111 }), 20)).toBeUndefined();
    expect(receiver.packet.pts).toBe(pts + 960);
    expect(receiver.read(rtp(3, 99_999 + 960, { pt: 111 }), 40)).toBeUndefined();
    expect(receiver.packet.pts).toBe(pts + 1920);
  });

  test('the media time of a sender report', () => {
    const { receiver } = session();
    receiver.read(rtp(1, 2 ** 32 - 80), 0);
    expect(receiver.ptsOf(80)).toBe(receiver.packet.pts + 160);
  });
});

describe('sending', () => {
  test('an independent parser reads what is written', () => {
    const { sender } = session();
    sender.format(111, 48_000);
    const out = Buffer.alloc(200);
    const payload = Buffer.from('opus frame');
    const n = sender.write({ seq: 900, pts: 960, marker: false, payload }, out, 0);
    const first = parseRtp(out.subarray(0, n));
    expect(first).toMatchObject({ payloadType: 111, marker: true, ssrc: sender.ssrc });
    expect(Buffer.from(first.payload).toString()).toBe('opus frame');
    const m = sender.write({ seq: 901, pts: 1920, marker: false, payload }, out, 20);
    const second = parseRtp(out.subarray(0, m));
    expect(second.sequenceNumber).toBe(first.sequenceNumber + 1);
    expect(second.timestamp).toBe(first.timestamp + 960);
    expect(second.marker).toBe(false);
  });

  test('only sound is marked where a source begins: a picture has its own marks', () => {
    const { sender } = session();
    sender.format(96, 90_000);
    const out = Buffer.alloc(50);
    const frame = { start: true, end: false, key: true, config: false, temporal: 0 };
    sender.write({ seq: 1, pts: 1, marker: false, payload: Buffer.from('x'), frame }, out, 0);
    expect(parseRtp(out).marker).toBe(false);
  });

  test('a payload larger than the slot is not sent', () => {
    const { sender } = session();
    expect(
      sender.write({ seq: 1, pts: 1, marker: false, payload: Buffer.alloc(100) }, Buffer.alloc(100), 0),
    ).toBe(0);
    expect(sender.sent.packets).toBe(0);
  });

  test('no sequence number goes out twice, whatever comes late after a change of source', () => {
    const { sender } = session();
    sender.format(0, 8000);
    const out = new Uint8Array(200);
    const sent: number[] = [];
    const say = (seq: number): void => {
      const packet = { seq, pts: seq * 160, marker: false, payload: new Uint8Array(160) };
      if (sender.write(packet, out, seq * 20) > 0) sent.push(((out[2] as number) << 8) | (out[3] as number));
    };
    for (const seq of [100, 101, 103, 102]) say(seq); // late within a source: a number of its own
    sender.restart();
    for (const seq of [200, 199, 198, 201]) say(seq); // 199 and 198 would take the numbers of 103 and 102
    expect(new Set(sent).size).toBe(sent.length);
    expect(sent).toHaveLength(6);
  });
});

describe('RTCP', () => {
  test('two sessions tell each other loss, jitter and the round trip', () => {
    const [a, b] = [session(), session()];
    a.sender.format(0, 8000);
    const out = Buffer.alloc(400);
    for (let i = 0; i < 100; i++) {
      const n = a.sender.write(
        { seq: i, pts: i * 160, marker: false, payload: Buffer.alloc(160) },
        out,
        i * 20,
      );
      if (i % 10 !== 5) b.receiver.read(out.subarray(0, n), i * 20 + 30);
    }
    const sr = a.report(2000);
    expect(readRtcp(sr)).toMatchObject([
      { type: 'sr', packets: 100, octets: 16_000 },
      { type: 'sdes', chunks: [{ cname: 'me' }] },
    ]);
    b.rtcp(sr, 2030);
    const rr = b.report(2530);
    expect(readRtcp(rr)).toMatchObject([
      { type: 'rr', reports: [{ ssrc: a.sender.ssrc, lost: 10, fractionLost: 25 }] },
      {},
    ]);
    a.rtcp(rr, 2560);
    expect(a.sender.sent.lost).toBe(10);
    expect(a.sender.sent.rttMs).toBeCloseTo(60, 0);
  });

  test('an SR only after packets were sent since the last one', () => {
    const s = session();
    s.sender.write({ seq: 1, pts: 1, marker: false, payload: Buffer.alloc(1) }, Buffer.alloc(50), 0);
    expect(readRtcp(s.report(1))).toMatchObject([{ type: 'sr' }, { type: 'sdes' }]);
    expect(readRtcp(s.report(2))).toMatchObject([{ type: 'rr' }, { type: 'sdes' }]);
  });

  test('the interval is 5 s in the mean, half of it at first, and ends with BYE', () => {
    const edge = (byte: number) =>
      new RtpSession({ cname: 'x', random: n => Buffer.alloc(n, byte), unixAtZero: 0, now: 1000 });
    expect(edge(0).deadline).toBeCloseTo(1000 + 2500 / 2 / 1.21828, 1);
    expect(edge(255).deadline).toBeCloseTo(1000 + 7500 / 2 / 1.21828, 1);
    const s = edge(0);
    s.report(10_000);
    expect(s.deadline).toBeCloseTo(10_000 + 2500 / 1.21828, 1);
    expect(readRtcp(s.bye(11_000))).toMatchObject([
      { type: 'rr' },
      { type: 'sdes' },
      { type: 'bye', ssrcs: [s.sender.ssrc] },
    ]);
    expect(s.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('a successor begins ahead of where any other began, by the rule of RFC 1982, and below 2^15', () => {
    const first = (byte: number, successor: boolean): number => {
      const o = { cname: 'x', random: (n: number) => Buffer.alloc(n, byte), unixAtZero: 0, now: 0 };
      const out = Buffer.alloc(50);
      new RtpSession({ ...o, successor }).sender.write(
        { seq: 7, pts: 1, marker: false, payload: Buffer.alloc(1) },
        out,
        0,
      );
      return out.readUInt16BE(2);
    };
    /** What a jitter buffer that holds `held` packets up to `newest` makes of one more. */
    const isLate = (seq: number, held: number, newest: number): boolean =>
      ((seq + held - newest) << 16) >> 16 < 0;
    for (const before of [0, 0x1f, 0x80, 0xff])
      for (const after of [0, 0x1f, 0x80, 0xff])
        for (let held = 0; held < 10; held++)
          expect(isLate(first(after, true), held, first(before, false) + held)).toBe(false);
    expect(first(0xff, true)).toBeLessThan(0x8000);
  });

  test('junk is named, and reports of others are not ours', () => {
    const s = session();
    expect(s.rtcp(Buffer.from('nonsense'), 0)).toBe('version');
    const block = {
      ssrc: 1,
      fractionLost: 0,
      lost: 9,
      highestSeq: 0,
      jitter: 0,
      lastSr: 0,
      delaySinceLastSr: 0,
    };
    s.rtcp(writeRtcp([{ type: 'rr', ssrc: 5, reports: [block] }]), 0);
    expect(s.sender.sent.lost).toBeUndefined();
  });
});
