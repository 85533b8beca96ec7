import { describe, expect, it } from 'vitest';
import type { Format, FrameMark, MediaPacket } from '../../src/contract.ts';
import type { PictureLoss } from '../in-order.ts';
import { type Vp8Picture, vp8Depacketizer } from './depacketize.ts';
import { Vp8View } from './descriptor.ts';
import { vp8Ingress } from './ingress.ts';
import { vp8Packetizer } from './packetize.ts';
import { Vp8Rewrite } from './rewrite.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
/** The header of a keyframe of 640×480 (RFC 6386 §9.1). */
const KEY = '10 02 00 9d 01 2a 8002 e001';
const DELTA = '11 02 00';
const packet = (seq: number, pts: number, marker: boolean, payload: Uint8Array): MediaPacket => ({
  seq,
  pts,
  marker,
  payload,
});
const picture = (head: string, length: number): Uint8Array => {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 13) & 255);
  bytes.set(hex(head));
  return bytes;
};

describe('the payload descriptor', () => {
  const read = (text: string) => {
    const view = new Vp8View();
    const junk = view.read(hex(text));
    const { first, pictureId, pictureIdBits, tl0PicIdx, temporal, sync, keyIdx, key, dataStart } = view;
    return { junk, first, pictureId, pictureIdBits, tl0PicIdx, temporal, sync, keyIdx, key, dataStart };
  };

  it.each([
    [`10 ${DELTA}`, { first: true, pictureId: -1, dataStart: 1, key: false }],
    [`00 ${DELTA}`, { first: false, dataStart: 1 }],
    [`11 ${DELTA}`, { first: false }], // another partition
    [`90 80 11 ${DELTA}`, { pictureId: 0x11, pictureIdBits: 7, dataStart: 3 }],
    [`90 80 9234 ${DELTA}`, { pictureId: 0x1234, pictureIdBits: 15, dataStart: 4 }],
    [`90 c0 9234 07 ${DELTA}`, { tl0PicIdx: 7, dataStart: 5 }],
    [`90 e0 9234 07 60 ${DELTA}`, { tl0PicIdx: 7, temporal: 1, sync: true, keyIdx: -1, dataStart: 6 }],
    [`90 10 0c ${DELTA}`, { temporal: -1, keyIdx: 12, dataStart: 3 }],
    [`90 00 ${KEY}`, { key: true, dataStart: 2 }],
  ])('%s', (text, expected) => {
    expect(read(text)).toMatchObject({ junk: undefined, ...expected });
  });

  it('is junk when cut anywhere, or when the keyframe behind it is none', () => {
    const whole = hex(`90 f0 9234 07 60 ${KEY}`);
    const view = new Vp8View();
    for (let n = 0; n < whole.length; n++) expect(view.read(whole.subarray(0, n))).toBeDefined();
    expect(view.read(whole)).toBeUndefined();
    expect([view.width, view.height]).toEqual([640, 480]);
    expect(read('10 10 02 00 9d 01 2b 8002 e001').junk).toBe('vp8-keyframe');
    expect(read('10 10 02 00 9d 01 2a 0000 e001').junk).toBe('vp8-size');
    expect(read('10 10 02 00 9d 01 2a ff3f ff3f').junk).toBe('vp8-size');
  });
});

function through(packets: readonly MediaPacket[]) {
  const out: (MediaPacket & { frame: FrameMark })[] = [];
  const formats: Format[] = [];
  const drops: string[] = [];
  const stage = vp8Ingress({ format: f => formats.push(f), drop: why => drops.push(why) })(p =>
    out.push({ ...p, frame: { ...p.frame! } }),
  );
  for (const p of packets) stage({ ...p }, 0);
  return { out, formats, drops };
}

function sent(pictures: readonly Uint8Array[], max = 100) {
  const packets: MediaPacket[] = [];
  const marks: FrameMark[] = [];
  const pack = vp8Packetizer(max);
  pictures.forEach((bytes, i) => {
    pack(bytes, (payload, mark) => {
      packets.push(packet(packets.length + 1, i * 3000, mark.end, payload.slice()));
      marks.push({ ...mark });
    });
  });
  return { packets, marks };
}

describe('the ingress', () => {
  it('marks as the sender’s packetizer did, and tells the size when it changes', () => {
    const small = '10 02 00 9d 01 2a 4001 f000';
    const { packets, marks } = sent([KEY, DELTA, KEY, small].map((head, i) => picture(head, 250 + i)));
    const { out, formats, drops } = through(packets);
    expect(out.map(o => o.frame)).toEqual(marks);
    expect(out.map(({ frame: _, ...rest }) => rest)).toEqual(packets);
    expect(formats.map(f => f.fmtp)).toEqual([{ 'x-size': '640x480' }, { 'x-size': '320x240' }]);
    expect(drops).toEqual([]);
  });

  it('temporal: the layer, or 1 where nothing refers to the picture', () => {
    const layered = (tid: string) => hex(`90 e0 9234 07 ${tid} ${DELTA}`);
    const list = [layered('00'), layered('40'), layered('80'), hex(`30 ${DELTA}`), hex(`10 ${DELTA}`)];
    const { out } = through(list.map((payload, i) => packet(i, i * 3000, true, payload)));
    expect(out.map(o => o.frame.temporal)).toEqual([0, 1, 2, 1, 0]);
  });

  it('drops junk with a reason, and late packets keep their picture’s key', () => {
    const { packets } = sent([picture(KEY, 300), picture(DELTA, 90)]);
    const { out, drops } = through([
      packet(0, 0, false, hex('90')),
      ...packets.slice(0, 1),
      ...packets.slice(2),
      packets[1]!,
    ]);
    expect(drops).toEqual(['vp8-short']);
    expect(out.at(-1)?.frame).toMatchObject({ key: true, start: false });
  });
});

describe('the depacketizer', () => {
  const unpack = (packets: readonly MediaPacket[]) => {
    const got: Vp8Picture[] = [];
    const lost: PictureLoss[] = [];
    const d = vp8Depacketizer(
      p => got.push({ ...p, bytes: p.bytes.slice() }),
      why => lost.push(why),
    );
    for (const p of packets) d.push(p);
    return { got, lost };
  };
  const pictures = [KEY, DELTA, DELTA, KEY].map((head, i) => picture(head, 200 + 150 * i));

  it('gives back what was packetized, also out of order', () => {
    const { packets } = sent(pictures);
    expect(unpack(packets).got.map(p => p.bytes)).toEqual(pictures);
    const shuffled = [packets[0]!, ...packets.slice(1, 8).reverse(), ...packets.slice(8)];
    expect(unpack(shuffled)).toMatchObject({ got: pictures.map(bytes => ({ bytes })), lost: [] });
  });

  it('after a gap nothing comes until the next keyframe', () => {
    const { packets } = sent([...pictures.slice(0, 2), ...Array(40).fill(picture(DELTA, 90)), pictures[3]!]);
    const { got, lost } = unpack(packets.filter(p => p.seq !== 5));
    expect(got.map(p => p.key)).toEqual([true, true]);
    expect(lost).toContain('gap');
  });

  it('begins with a keyframe, whole from its start', () => {
    const { packets } = sent([pictures[0]!, pictures[1]!, pictures[3]!]);
    expect(unpack(packets.slice(1)).got.map(p => p.pts)).toEqual([6000]);
  });
});

describe('rewriting for a switch', () => {
  const ids = (payload: Uint8Array | undefined) => {
    const view = new Vp8View();
    expect(payload && view.read(payload)).toBeUndefined();
    return [view.pictureId, view.tl0PicIdx, view.temporal, view.keyIdx];
  };

  it('picture ids and TL0PICIDX go on across sources of 15 bits, 7 bits and none', () => {
    const rewrite = new Vp8Rewrite({ pictureId: 32_766, tl0PicIdx: 254 });
    const map = (pts: number, text: string) => ids(rewrite.map(packet(0, pts, true, hex(text))));
    expect(map(0, `90 e0 8005 20 00 ${KEY}`)).toEqual([32_766, 254, 0, -1]);
    expect(map(3000, `90 e0 8006 20 40 ${DELTA}`)).toEqual([32_767, 254, 1, -1]);
    expect(map(6000, `90 e0 8007 21 00 ${DELTA}`)).toEqual([0, 255, 0, -1]);
    rewrite.restart();
    expect(map(500, `90 80 7f ${KEY}`)).toEqual([1, -1, -1, -1]);
    expect(map(3500, `90 80 00 ${DELTA}`)).toEqual([2, -1, -1, -1]);
    expect(map(3500, `80 80 00 ${DELTA}`)).toEqual([2, -1, -1, -1]);
    expect(map(9500, `90 80 02 ${DELTA}`)).toEqual([4, -1, -1, -1]); // a gap stays
    expect(map(6500, `90 80 01 ${DELTA}`)).toEqual([3, -1, -1, -1]); // and late ones fill it
    rewrite.restart();
    expect(map(0, `10 ${KEY}`)).toEqual([5, -1, -1, -1]);
    expect(map(0, `00 ${DELTA}`)).toEqual([5, -1, -1, -1]);
    expect(map(3000, `90 10 05 ${DELTA}`)).toEqual([6, -1, -1, 5]);
    rewrite.restart();
    expect(map(0, `90 c0 80ff 09 ${KEY}`)).toEqual([7, 0, -1, -1]);
  });

  it('nothing but the descriptor changes, and junk is refused', () => {
    const rewrite = new Vp8Rewrite({ pictureId: 0, tl0PicIdx: 0 });
    const payload = hex(`b0 c0 11 20 ${DELTA} 99 88`);
    expect(rewrite.map(packet(0, 0, true, payload))).toEqual(hex(`b0 c0 8000 00 ${DELTA} 99 88`));
    expect(rewrite.map(packet(0, 0, true, hex('90')))).toBeUndefined();
    expect(rewrite.map(packet(0, 0, true, new Uint8Array(3000).fill(0x11)))).toBeUndefined();
  });
});
