import { describe, expect, test } from 'vitest';
import type { MediaPacket } from '../../contract.ts';
import { Outbox } from './outbox.ts';
import { RtpReceiver } from './receiver.ts';
import { Reorder } from './reorder.ts';
import { writeRtpHeader } from './rtp.ts';

const packet = (seq: number): MediaPacket => ({
  seq,
  pts: seq * 10,
  marker: false,
  payload: Uint8Array.of(seq & 255),
});

describe('putting in order', () => {
  const make = (waitMs = 100) => {
    const got: number[] = [];
    const lost: number[] = [];
    const r = new Reorder(
      waitMs,
      p => {
        expect(p.payload[0]).toBe(p.seq & 255);
        got.push(p.seq);
      },
      n => lost.push(n),
    );
    return { r, got, lost };
  };

  test('what comes in order passes at once and arms nothing', () => {
    const { r, got } = make();
    for (let seq = 7; seq < 1000; seq++) {
      expect(r.push(packet(seq), seq)).toBe(true);
      expect(r.deadline).toBe(Number.POSITIVE_INFINITY);
    }
    expect(got).toEqual(Array.from({ length: 993 }, (_, i) => i + 7));
  });

  test('an overtaken packet costs a moment and no request', () => {
    const { r, got } = make();
    for (const [seq, at] of [
      [1, 0],
      [3, 1],
      [4, 2],
      [2, 5],
    ] as const)
      r.push(packet(seq), at);
    expect(got).toEqual([1, 2, 3, 4]);
    expect(r.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(r.missing(1000)).toEqual([]);
  });

  test('a missing one is asked for, again after a while, and passed over in the end', () => {
    const { r, got, lost } = make();
    const buffer = Uint8Array.of(3);
    r.push(packet(1), 0);
    r.push({ ...packet(3), payload: buffer }, 10);
    buffer[0] = 99; // borrowed: gone after the call
    r.push(packet(6), 12);
    expect(r.deadline).toBe(18);
    expect([r.missing(17), r.missing(18), r.missing(20), r.missing(78)]).toEqual([
      [],
      [2, 4, 5],
      [],
      [2, 4, 5],
    ]);
    r.push(packet(4), 90);
    r.tick(109);
    expect(got).toEqual([1]);
    r.tick(110);
    expect([got, lost]).toEqual([[1, 3, 4], [1]]);
    // 5 is missing since 6 came: no longer than that.
    r.tick(112);
    expect([got, lost]).toEqual([
      [1, 3, 4, 6],
      [1, 1],
    ]);
    expect(r.push(packet(5), 113)).toBe(false);
    expect(r.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  test('what was sent again fills the hole', () => {
    const { r, got, lost } = make();
    for (const seq of [1, 4, 5, 7]) r.push(packet(seq), 0);
    for (const seq of [3, 2]) r.push(packet(seq), 30);
    expect(got).toEqual([1, 2, 3, 4, 5]);
    r.push(packet(6), 40);
    expect([got, lost]).toEqual([[1, 2, 3, 4, 5, 6, 7], []]);
  });

  test('a hole that nothing can fill does not hold more than a window', () => {
    const { r, got, lost } = make();
    r.push(packet(1), 0);
    for (let seq = 3; seq < 300; seq++) r.push(packet(seq), 1);
    expect([got.length, lost]).toEqual([298, [1]]);
    r.push(packet(3000), 2);
    expect(lost).toEqual([1, 3000 - 300 - 255]);
    r.tick(200);
    expect(got.at(-1)).toBe(3000);
    expect(lost.reduce((a, b) => a + b)).toBe(1 + 3000 - 300);
  });

  test('a reset forgets what waits', () => {
    const { r, got } = make();
    for (const seq of [1, 3]) r.push(packet(seq), 0);
    r.reset();
    expect(r.deadline).toBe(Number.POSITIVE_INFINITY);
    r.push(packet(3), 0);
    r.push(packet(4), 0);
    expect(got).toEqual([1, 3, 4]);
  });

  test('the receiver knows the number on the wire of what is missing', () => {
    const receiver = new RtpReceiver();
    receiver.expect(new Map([[96, 90_000]]));
    const read = (seq: number): number => {
      const b = Buffer.alloc(13);
      writeRtpHeader(b, 96, false, seq, 0, 7);
      expect(receiver.read(b, 0)).toBeUndefined();
      return receiver.packet.seq;
    };
    const first = read(65_534);
    const third = read(0);
    expect(third).toBe(first + 2);
    expect(receiver.wireSeq(first + 1)).toBe(65_535);
    read(65_535);
    expect(receiver.wireSeq(third + 1)).toBe(1);
  });
});

describe('sending', () => {
  const fill = (box: Outbox, seq: number, length: number, now: number): void => {
    const slot = box.slot();
    writeRtpHeader(slot, 96, false, seq, 0, 7);
    slot[12] = seq & 255;
    box.put(length, now);
  };
  const drain = (box: Outbox, now: number): number[] => {
    const sent: number[] = [];
    for (let b = box.due(now); b; b = box.due(now)) sent.push(((b[2] as number) << 8) | (b[3] as number));
    return sent;
  };

  test('a burst goes out at the pace, in order, and whole', () => {
    const box = new Outbox(800_000); // 100 bytes a ms
    for (let seq = 0; seq < 60; seq++) fill(box, seq, 1000, 0);
    const times: number[] = [];
    const sent: number[] = [];
    for (let now = 0; box.deadline < Number.POSITIVE_INFINITY; now = Math.max(now, box.deadline)) {
      const some = drain(box, now);
      sent.push(...some);
      times.push(...some.map(() => now));
    }
    expect(sent).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(times.filter(t => t === 0)).toHaveLength(12);
    expect(times.at(-1)).toBeGreaterThan(470);
    expect(times.at(-1)).toBeLessThan(500);
    // idle for long: the burst is all that was saved up
    fill(box, 60, 1000, 10_000);
    expect(drain(box, 10_000)).toEqual([60]);
  });

  test('what was sent within a second can be sent again', () => {
    const box = new Outbox(80_000_000);
    for (let n = 0; n < 600; n++) {
      fill(box, (65_400 + n) & 0xffff, 20 + (n % 7), n);
      drain(box, n);
    }
    const again = box.again((65_400 + 599) & 0xffff, 650);
    expect(again).toHaveLength(20 + (599 % 7));
    expect(again![12]).toBe((65_400 + 599) & 255);
    expect(box.again(65_400, 650)).toBeUndefined(); // overwritten
    expect(box.again(65_535, 650)).toHaveLength(20 + (135 % 7));
    expect(box.again(65_535, 1200)).toBeUndefined(); // too old
    expect(box.again(12_345, 650)).toBeUndefined();
  });

  test('a queue without end is told', () => {
    const box = new Outbox(8000);
    for (let seq = 0; !box.full; seq++) fill(box, seq, 100, 0);
    expect(box.waiting).toBe(511);
  });

  test('what waits is not sent again, and can be forgotten', () => {
    const box = new Outbox(8000);
    for (let seq = 0; seq < 30; seq++) fill(box, seq, 1000, 0);
    drain(box, 0);
    expect([box.waiting, box.again(12, 0), box.again(11, 0)?.length]).toEqual([18, undefined, 1000]);
    box.clear();
    fill(box, 40, 100, 0);
    expect(box.deadline).toBeGreaterThan(0);
    expect(drain(box, 20_000)).toEqual([40]);
    expect(box.again(12, 1)).toBeUndefined();
    expect(box.again(11, 1)).toHaveLength(1000);
  });
});
