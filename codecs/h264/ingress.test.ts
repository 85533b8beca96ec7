import { describe, expect, it } from 'vitest';
import type { Format, FrameMark, MediaPacket } from '../../src/contract.ts';
import { readAnnexB, writeAnnexB, writeLengthPrefixed } from './annexb.ts';
import { type AccessUnit, h264Depacketizer } from './depacketize.ts';
import { h264Ingress } from './ingress.ts';
import { h264Mode0, h264SinglePacketizer } from './mode0.ts';
import { readLengthPrefixed } from './nal.ts';
import { h264OutOfBand, readSprop } from './out-of-band.ts';
import { h264Packetizer } from './packetize.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const VGA = hex('6742c01ed900a03db0110000030001000003003c0f162e48');
const TALL = hex('674d401eeca0b828f2f80880000003008000001e078b16cb');
/** 352×288, main profile, silent about reordering. */
const CIF = hex('674d001ef40b04b2');
const PPS = hex('68ebecb22c');
const SEI = hex('0605020102');
const AUD = hex('0910');
/** Slices that begin a picture, of `length` bytes. */
const slice = (head: string, length: number): Uint8Array => {
  const unit = new Uint8Array(length).fill(0x55);
  unit.set(hex(head));
  return unit;
};
const idr = (length = 2500): Uint8Array => slice('65888402', length);
const p = (length = 1500): Uint8Array => slice('419a2466', length);

const bare = (seq: number, pts: number, marker: boolean, payload: Uint8Array): MediaPacket => ({
  seq,
  pts,
  marker,
  payload,
});

/** Packets as a peer sends them, and the marks they should get. */
function sent(pictures: readonly { units: readonly Uint8Array[]; key: boolean }[]) {
  const packets: MediaPacket[] = [];
  const marks: FrameMark[] = [];
  const pack = h264Packetizer();
  pictures.forEach(({ units, key }, i) => {
    pack(units, key, (payload, mark) => {
      packets.push(bare(packets.length + 1, i * 3000, mark.end, payload.slice()));
      marks.push({ ...mark });
    });
  });
  return { packets, marks };
}

function through(packets: readonly MediaPacket[]) {
  const out: (MediaPacket & { frame: FrameMark })[] = [];
  const formats: Format[] = [];
  const drops: string[] = [];
  const stage = h264Ingress({ format: f => formats.push(f), drop: why => drops.push(why) })(packet =>
    out.push({ ...packet, payload: packet.payload.slice(), frame: { ...packet.frame! } }),
  );
  for (const packet of packets) stage({ ...packet }, 0);
  return { out, formats, drops, marks: out.map(o => o.frame), stage };
}

const key = { units: [VGA, PPS, SEI, idr()], key: true };
const inter = { units: [p()], key: false };

describe('frame marks', () => {
  it('are those of the sender’s own pictures, and no packet is changed', () => {
    const { packets, marks } = sent([key, inter, inter, { ...key, units: [AUD, ...key.units] }, inter]);
    const got = through(packets);
    expect(got.marks).toEqual(marks);
    expect(got.out.map(({ frame: _, ...rest }) => rest)).toEqual(packets);
    expect(got.drops).toEqual([]);
  });

  it('parameter sets in front of any other picture do not make it a keyframe', () => {
    const { packets } = sent([key, { units: [VGA, PPS, p()], key: false }]);
    const { marks } = through(packets);
    expect(marks.slice(-4).map(m => [m.start, m.key, m.config])).toEqual([
      [true, false, true],
      [false, false, true],
      [false, false, false],
      [false, false, false],
    ]);
  });

  it('aggregates: key and config of all they hold', () => {
    const stap = hex(`78 0018 ${Buffer.from(VGA).toString('hex')} 0005 68ebecb22c 0006 658884023355`);
    const { marks, formats } = through([bare(1, 0, true, stap)]);
    expect(marks).toEqual([{ start: true, end: true, key: true, config: true, temporal: 0 }]);
    expect(formats).toHaveLength(1);
  });

  it('slices nothing refers to are of temporal layer 1', () => {
    const { marks } = through([bare(1, 0, true, slice('019a2466', 40)), bare(2, 3000, true, p(40))]);
    expect(marks.map(m => m.temporal)).toEqual([1, 0]);
  });

  it('after loss: a packet that begins a picture by its content is its start, others are not', () => {
    const { packets } = sent([key, inter, inter, inter]);
    const lost = packets.filter(x => !(x.pts === 3000 && x.marker) && !(x.pts === 6000 && !x.marker));
    expect(
      through(lost)
        .marks.map((m, i) => [lost[i]!.pts, m.start, m.end])
        .slice(-4),
    ).toEqual([
      [3000, true, false],
      [6000, false, true],
      [9000, true, false],
      [9000, false, true],
    ]);
  });

  it('a retransmitted packet joins its picture, also as its start', () => {
    const { packets, marks } = sent([key, inter, inter]);
    const late = packets.findIndex(x => x.pts === 3000);
    const order = [...packets.slice(0, late), ...packets.slice(late + 1), packets[late]!];
    const { out } = through(order);
    expect(out.at(-1)).toEqual({ ...packets[late], frame: marks[late] });
    const idrPart = packets.findIndex(x => x.frame === undefined && x.pts === 0) + 4;
    const again = through([...packets.slice(0, idrPart), ...packets.slice(idrPart + 1), packets[idrPart]!]);
    expect(again.out.at(-1)?.frame).toMatchObject({ key: true, start: false });
  });

  it('what is held goes on when its picture ends without a slice, and at the bound', () => {
    expect(through([bare(1, 0, false, VGA), bare(2, 0, true, PPS)]).marks).toHaveLength(2);
    const many = Array.from({ length: 12 }, (_, i) => bare(i, 0, false, SEI));
    expect(through(many).out.length).toBe(9);
    expect(through([bare(1, 0, false, VGA), bare(2, 3000, false, p())]).out.map(o => o.pts)).toEqual([
      0, 3000,
    ]);
  });
});

describe('the format', () => {
  const fmtp = (formats: readonly Format[]) => formats.map(f => f.fmtp);

  it('is told when size or profile change, and not again', () => {
    const { packets } = sent([key, inter, key, { units: [TALL, PPS, idr()], key: true }]);
    expect(through(packets).formats).toEqual([
      {
        codec: 'H264',
        clockRate: 90_000,
        fmtp: {
          'profile-level-id': '42c01e',
          'packetization-mode': '1',
          'x-size': '640x480',
          'x-reorder': '0',
        },
      },
      {
        codec: 'H264',
        clockRate: 90_000,
        fmtp: {
          'profile-level-id': '4d401e',
          'packetization-mode': '1',
          'x-size': '360x640',
          'x-reorder': '2',
        },
      },
    ]);
  });

  it('has reordering from the first B slice on, where the SPS is silent', () => {
    const b = { units: [slice('019e4174', 60)], key: false };
    const { packets } = sent([{ units: [CIF, PPS, idr()], key: true }, inter, b, b]);
    expect(fmtp(through(packets).formats).map(f => f?.['x-reorder'])).toEqual(['0', '1']);
  });
});

it('junk is dropped with its reason, and what follows goes on', () => {
  const junk: [string, string][] = [
    ['', 'h264-short'],
    ['e5 888402', 'h264-forbidden-bit'],
    ['60 00', 'h264-payload-type'],
    ['79 0001 41 00', 'h264-payload-type'], // STAP-B
    ['7d 85 00', 'h264-payload-type'], // FU-B
    ['7c 85', 'h264-fragment'],
    ['7c 9c 00', 'h264-fragment'], // FU-A in FU-A
    ['78 0009 6588', 'h264-aggregate'],
    ['78 0000', 'h264-aggregate'],
    ['78 0002 7800', 'h264-aggregate'], // STAP-A in STAP-A
    ['67 42001e f400010000004000000fff', 'h264-sps'],
    ['41 00000000000000', 'h264-slice'],
  ];
  const { stage, drops, out } = through([]);
  for (const [i, [bytes]] of junk.entries()) stage(bare(i, 0, false, hex(bytes)), 0);
  expect(drops).toEqual(junk.map(([, why]) => why));
  stage(bare(99, 3000, true, idr(90)), 0);
  expect(out.map(o => o.frame)).toEqual([{ start: true, end: true, key: true, config: false, temporal: 0 }]);
});

describe('packetization-mode 0', () => {
  const units = [VGA, PPS, idr(900)];

  it('is a packet a unit, or nothing', () => {
    const got: [number, boolean, boolean, boolean][] = [];
    const pack = h264SinglePacketizer(1000);
    expect(
      pack(units, true, (payload, m) => {
        got.push([payload.length, m.start, m.end, m.config]);
      }),
    ).toBe(true);
    expect(got).toEqual([
      [24, true, false, true],
      [5, false, false, true],
      [900, false, true, false],
    ]);
    expect(pack([VGA, idr(1001)], true, () => expect.fail('emitted'))).toBe(false);
  });

  it('is made of aggregates and fragments; units too long are told', () => {
    const single: MediaPacket[] = [];
    const told: string[] = [];
    const stage = h264Mode0(
      packet => single.push({ ...packet, payload: packet.payload.slice(), frame: { ...packet.frame! } }),
      { unfit: () => told.push('unfit'), keyNeeded: () => told.push('key') },
      1000,
    );
    const pack = h264Packetizer(300);
    let seq = 0;
    const send = (list: readonly Uint8Array[], isKey: boolean, pts: number): void =>
      pack(list, isKey, (payload, frame) =>
        stage.sink({ seq: seq++, pts, marker: frame.end, payload, frame }, 0),
      );
    send(units, true, 0);
    send([p(700)], false, 3000);
    send([p(1001)], false, 6000);
    expect(single.map(s => [s.payload[0]! & 31, s.pts, s.marker, s.frame?.start])).toEqual([
      [7, 0, false, true],
      [8, 0, false, false],
      [5, 0, true, false],
      [1, 3000, true, true],
    ]);
    expect(told).toEqual(['unfit']);
    seq += 5;
    for (let i = 0; i < 8; i++) send([p(1001)], false, 9000 + i * 3000);
    expect(told).toContain('key');
  });
});

describe('parameter sets out of band', () => {
  const base64 = (unit: Uint8Array): string => Buffer.from(unit).toString('base64');
  const sets = readSprop(`${base64(VGA)},${base64(PPS)}`);

  it('sprop-parameter-sets are read, or nothing is', () => {
    expect(sets).toEqual([VGA, PPS]);
    expect(readSprop(base64(VGA))).toEqual([]);
    expect(readSprop(`,,%%,${base64(PPS)}`)).toEqual([]);
    expect(readSprop('')).toEqual([]);
  });

  const inject = (packets: readonly MediaPacket[]): MediaPacket[] => {
    const out: MediaPacket[] = [];
    const stage = h264OutOfBand(sets)(x => out.push({ ...x, payload: x.payload.slice() }));
    for (const packet of packets) stage(packet, 0);
    return out;
  };

  it('stand before keyframes that come without, and numbers go on without a hole', () => {
    const naked = { units: [idr()], key: true };
    const { packets } = sent([naked, inter, naked, inter]);
    const out = inject(packets);
    expect(out.map(o => o.seq)).toEqual(out.map((_, i) => i + 1));
    const { packets: dressed, marks } = sent([
      { units: [VGA, PPS, idr()], key: true },
      inter,
      { units: [VGA, PPS, idr()], key: true },
      inter,
    ]);
    expect(out).toEqual(dressed);
    expect(through(out).marks).toEqual(marks);
  });

  it('stay out where the stream has its own, and stragglers keep their place', () => {
    const { packets } = sent([key, inter]);
    expect(inject(packets)).toEqual(packets);
    const { packets: late } = sent([inter, { units: [idr(800)], key: true }, inter]);
    const [first, straggler, ...rest] = late;
    expect(inject([first!, ...rest.slice(0, 1), straggler!]).map(o => o.seq)).toEqual([1, 3, 4, 5, 2]);
  });
});

describe('annex B and length prefixes', () => {
  it('give back what was written, with short start codes and padding too', () => {
    const units = [VGA, PPS, idr(50)];
    expect(readAnnexB(writeAnnexB(units))).toEqual(units);
    expect(readLengthPrefixed(writeLengthPrefixed(units), 4)).toEqual(units);
    expect(readAnnexB(hex('ff 000001 6742 000001 6801 0000 000001 65aa 00'))).toEqual([
      hex('6742'),
      hex('6801'),
      hex('65aa'),
    ]);
    expect(readAnnexB(hex('000001'))).toEqual([]);
    expect(readAnnexB(hex('00000100000141'))).toEqual([hex('41')]);
    expect(readAnnexB(hex('6742'))).toEqual([]);
  });
});

it('what the ingress lets through is put together again', () => {
  const { packets } = sent([key, inter, key]);
  const got: AccessUnit[] = [];
  const d = h264Depacketizer(unit => got.push({ ...unit, units: unit.units.map(u => u.slice()) }));
  for (const packet of through(packets).out) d.push(packet);
  expect(got.map(u => u.units)).toEqual([key.units, inter.units, key.units]);
});
