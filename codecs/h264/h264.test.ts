import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../src/contract.ts';
import type { PictureLoss } from '../in-order.ts';
import { readAvcc, writeAvcc } from './avcc.ts';
import { DecodeTimes } from './decode-time.ts';
import { type AccessUnit, h264Depacketizer } from './depacketize.ts';
import { readLengthPrefixed } from './nal.ts';
import { h264Packetizer } from './packetize.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const SPS = hex('6742c01ed90280bfe5c044000003000400000300c83c58b920');
const PPS = hex('68cb83cb20');
/** Of an x264 stream made for this test: high profile, 1280×720, 30 a second, two B-frames deep. */
const HIGH_SPS = hex('6764001facd9405005bb0110000003001000000303c0f1831960');

/** A NAL unit of `length` bytes, each telling its place. */
const nal = (type: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i === 0 ? 0x60 | type : (i * 7 + type) & 255));

interface Packet extends MediaPacket {
  payload: Uint8Array;
}
function packets(
  frames: readonly { units: readonly Uint8Array[]; key: boolean; pts: number }[],
  max = 100,
): Packet[] {
  const list: Packet[] = [];
  const pack = h264Packetizer(max);
  for (const f of frames)
    pack(f.units, f.key, (payload, mark) =>
      list.push({
        seq: list.length + 50,
        pts: f.pts,
        marker: mark.end,
        payload: payload.slice(),
        frame: { ...mark },
      }),
    );
  return list;
}
function unpack(list: readonly MediaPacket[]) {
  const got: AccessUnit[] = [];
  const lost: PictureLoss[] = [];
  const d = h264Depacketizer(
    u => got.push({ ...u, units: u.units.map(b => Uint8Array.from(b)) }),
    why => lost.push(why),
  );
  for (const p of list) d.push(p);
  return { got, lost, d };
}

const key = (pts: number) => ({ units: [SPS, PPS, nal(6, 20), nal(5, 950)], key: true, pts });
const inter = (pts: number, length = 350) => ({ units: [nal(1, length)], key: false, pts });

describe('avcC', () => {
  it('reads and writes a baseline record', () => {
    const record = writeAvcc([SPS], [PPS]);
    expect(record.toString('hex')).toBe(`0142c01effe10019${SPS.toString('hex')}010005${PPS.toString('hex')}`);
    expect(readAvcc(record)).toEqual({ lengthSize: 4, sps: [SPS], pps: [PPS] });
  });

  it('tells chroma format and depths of high profiles', () => {
    const record = writeAvcc([HIGH_SPS], [PPS]);
    expect(record.subarray(-4).toString('hex')).toBe('fdf8f800');
    expect(readAvcc(record)?.sps).toEqual([HIGH_SPS]);
  });

  it('is nothing when cut at any place, of another version, or without SPS', () => {
    const record = writeAvcc([SPS], [PPS]);
    for (let n = 0; n < record.length; n++) expect(readAvcc(record.subarray(0, n))).toBeUndefined();
    expect(readAvcc(hex('0242c01effe100'))).toBeUndefined();
    expect(readAvcc(hex('0142c01effe00100'))).toBeUndefined();
  });
});

describe('length-prefixed units', () => {
  it('reads 1, 2 and 4 byte lengths, leaving out empty units', () => {
    expect(readLengthPrefixed(hex('0265aa 00 0106'), 1)).toEqual([hex('65aa'), hex('06')]);
    expect(readLengthPrefixed(hex('000265aa'), 2)).toEqual([hex('65aa')]);
    expect(readLengthPrefixed(hex('00000002 65aa 00000001 41'), 4)).toEqual([hex('65aa'), hex('41')]);
    expect(readLengthPrefixed(hex('00000003 65aa'), 4)).toBeUndefined();
    expect(readLengthPrefixed(hex('ffffffff 65aa'), 4)).toBeUndefined();
  });
});

describe('RTP payloads (RFC 6184)', () => {
  it('sends small units whole and long ones as FU-A, with frame marks', () => {
    const list = packets([{ units: [SPS, nal(5, 250)], key: true, pts: 0 }]);
    expect(list.map(p => [p.payload[0]! & 31, p.payload.length, p.marker])).toEqual([
      [7, 25, false],
      [28, 100, false],
      [28, 100, false],
      [28, 55, true],
    ]);
    expect(list.map(p => p.payload[1]! & 0xe0).slice(1)).toEqual([0x80, 0, 0x40]);
    expect(list.map(p => p.frame)).toMatchObject([
      { start: true, end: false, key: true, config: true },
      { start: false, end: false, key: true, config: false },
      { start: false, end: false, key: true, config: false },
      { start: false, end: true, key: true, config: false },
    ]);
  });

  it('gives back every unit bit by bit', () => {
    const frames = [key(0), inter(3000), inter(6000, 40), key(9000)];
    const { got, lost } = unpack(packets(frames));
    expect(lost).toEqual([]);
    expect(got).toEqual(frames.map(f => ({ ...f, units: f.units.map(u => Uint8Array.from(u)) })));
  });

  it('reads STAP-A and refuses a bad one', () => {
    const good = hex('78 0002 67aa 0002 68bb 0003 65cccc');
    const packet = (seq: number, payload: Uint8Array): MediaPacket => ({
      seq,
      pts: seq,
      marker: true,
      payload,
    });
    const marked = {
      ...packet(1, good),
      frame: { start: true, end: true, key: true, config: true, temporal: 0 },
    };
    expect(unpack([marked]).got).toEqual([
      { pts: 1, key: true, units: [hex('67aa'), hex('68bb'), hex('65cccc')].map(b => Uint8Array.from(b)) },
    ]);
    expect(unpack([{ ...marked, payload: hex('78 0002 67aa 0009 68') }]).lost).toEqual(['malformed']);
    expect(unpack([{ ...marked, payload: hex('78 0000') }]).lost).toEqual(['malformed']);
    expect(unpack([{ ...marked, payload: hex('7d00') }]).lost).toEqual(['malformed']); // FU-B
  });

  it('puts packets out of order right, within its bound', () => {
    const frames = [key(0), inter(3000), inter(6000)];
    const list = packets(frames);
    const shuffled = [...list.slice(0, 1), ...list.slice(1).reverse()];
    const { got, lost } = unpack(shuffled);
    expect(lost).toEqual([]);
    expect(got.map(u => u.pts)).toEqual([0, 3000, 6000]);
  });

  it('after a gap nothing comes until the next keyframe, which does', () => {
    const frames = [
      key(0),
      inter(3000),
      ...Array.from({ length: 12 }, (_, i) => inter(6000 + i * 3000)),
      key(60_000),
    ];
    const list = packets(frames);
    const hole = list.findIndex(p => p.pts === 3000) + 1;
    const { got, lost } = unpack([
      ...list.slice(0, hole),
      ...list.slice(hole + 1),
      ...packets([key(60_000)]),
    ]);
    expect(got.map(u => u.pts)).toEqual([0, 60_000]);
    expect(lost.filter(why => why === 'gap').length).toBeGreaterThan(0);
    expect(lost.filter(why => why === 'before-keyframe').length).toBeGreaterThan(8);
  });

  it('a keyframe right behind a gap is shown when its start is marked', () => {
    const before = packets([key(0), inter(3000, 90)]);
    const after = packets([key(90_000)]).map(p => ({ ...p, seq: p.seq + 500 }));
    expect(unpack([...before, ...after]).got.map(u => u.pts)).toEqual([0, 3000]);
    const more = packets([key(90_000), inter(110_000, 3000)]).map(p => ({ ...p, seq: p.seq + 500 }));
    expect(unpack([...before, ...more]).got.map(u => u.pts)).toEqual([0, 3000, 90_000, 110_000]);
  });

  it('a FU-A without its end, or without end, costs its picture only, and no memory', () => {
    const frame = { start: true, end: true, key: true, config: true, temporal: 0 };
    const begins: Packet = { seq: 1, pts: 0, marker: true, payload: hex('7c85 8888'), frame }; // an IDR unit
    const cut = [begins, ...packets([key(6000)]).map(p => ({ ...p, seq: p.seq - 48 }))];
    expect(unpack(cut)).toMatchObject({ got: [{ pts: 6000 }], lost: expect.arrayContaining(['gap']) });

    const piece = Buffer.concat([hex('7c05'), Buffer.alloc(1198)]);
    const endless = Array.from({ length: 5000 }, (_, i) => ({
      ...begins,
      seq: i + 1,
      marker: false,
      payload: i === 0 ? begins.payload : piece,
    }));
    const after = packets([key(6000)]).map(p => ({ ...p, seq: p.seq + 4951 }));
    const { got, lost } = unpack([...endless, ...after]);
    expect(got.map(u => u.pts)).toEqual([6000]);
    expect(lost[0]).toBe('malformed'); // at 4 MB; the rest of the picture is passed over
  });

  it('begins only with a keyframe, whole from its start', () => {
    const list = packets([key(0), inter(3000), key(6000)]);
    expect(unpack(list.slice(2)).got.map(u => u.pts)).toEqual([6000]);
  });

  it('goes on when the sender numbers anew', () => {
    const old = packets([key(0)]).map(p => ({ ...p, seq: p.seq + 1_000_000 }));
    expect(unpack([...old, ...packets([key(3000)])]).got.map(u => u.pts)).toEqual([0, 3000]);
  });
});

describe('decode times', () => {
  it('are the presentation times of a stream without B-frames', () => {
    const d = new DecodeTimes();
    expect([0, 40, 80, 200].map(t => d.next(t))).toEqual([0, 40, 80, 200]);
  });

  it('are the encoder’s own once the depth is known', () => {
    const d = new DecodeTimes();
    const pts = [1, 4, 2, 3, 7, 5, 6, 10, 8, 9]; // I P B B …, one picture of delay
    expect(pts.map(t => d.next(t))).toEqual([1, 4, 4, 4, 4, 5, 6, 7, 8, 9]);
    d.reset();
    expect([11, 14, 12, 13, 17].map(t => d.next(t)).slice(2)).toEqual([12, 13, 14]);
  });

  it('are right from the first group on when the SPS tells the depth', () => {
    const d = new DecodeTimes();
    d.deepen(1);
    const pts = [1, 4, 2, 3, 7, 5, 6, 10];
    expect(pts.map(t => d.next(t))).toEqual([1, 1, 2, 3, 4, 5, 6, 7]);
    const pyramid = new DecodeTimes();
    pyramid.deepen(2);
    expect([2, 6, 4, 3, 5, 10, 8, 7, 9].map(t => pyramid.next(t))).toEqual([2, 2, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('learn a B-pyramid', () => {
    const d = new DecodeTimes();
    const pts = [2, 6, 4, 3, 5, 10, 8, 7, 9, 14, 12, 11, 13];
    expect(pts.map(t => d.next(t))).toEqual([2, 6, 6, 6, 6, 6, 6, 7, 8, 9, 10, 11, 12]);
  });
});
