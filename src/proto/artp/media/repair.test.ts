import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../../contract.ts';
import { packetCipher } from '../../rtp/srtp/cipher.ts';
import { directionKeys } from '../keys.ts';
import { copyOf, ignore, PlanePair, picture, seeded } from './plane.testing.ts';
import { PLAIN_VIDEO, type VideoPolicy } from './policy-types.ts';

const seqOf = (b: Uint8Array): number => (b[2]! << 8) | b[3]!;
const typeOf = (b: Uint8Array): number => b[1]! & 0x7f;
const video = (repair: VideoPolicy['repair'], more: Partial<VideoPolicy> = {}): VideoPolicy => ({
  ...PLAIN_VIDEO,
  nackCopies: 0,
  repair,
  ...more,
});

function camera(world: ConstructorParameters<typeof PlanePair>[0] = {}) {
  const pair = new PlanePair(world);
  const seen: MediaPacket[] = [];
  const track = pair.b.hear(2, p => void seen.push(copyOf(p)));
  const out = pair.a.send(2, 'video', 90000, ignore);
  return { pair, seen, track, out };
}
const repairs = (pair: PlanePair): Buffer[] => pair.sent.map(s => s.bytes).filter(b => typeOf(b) === 100);
const bySeq = (a: MediaPacket, b: MediaPacket): number => a.seq - b.seq;

describe('repair', () => {
  it('looks like this: base, row, span; a symbol as long as the longest packet', () => {
    const { pair, out } = camera();
    pair.a.setPolicy(video([1, 1, 1]));
    const one: MediaPacket = {
      seq: 9,
      pts: 0,
      marker: true,
      payload: Buffer.from('0102', 'hex'),
      frame: { start: true, end: true, key: true, config: false, temporal: 0 },
    };
    out.sink(one, 0);
    const wire = repairs(pair)[0]!;
    expect(wire.toString('hex', 0, 12)).toBe('80640000' + '80000000' + '00800001');
    const plain = Buffer.alloc(100);
    const cipher = packetCipher(directionKeys(Buffer.alloc(32, 7), 'from-client', 0), 'rtp');
    expect(cipher.open(wire, 12, plain, 0x00800001, 0, 0)).toBe(true);
    // Base 0x4000, row 0, span 1.
    expect(plain.toString('hex', 12, 16)).toBe('40000000');
    const symbol = plain.subarray(16, wire.length - 16);
    // The symbol divided by x_0 + y_0 = 64: times 64 (six doublings, each reduced by 0x11d) it is length,
    // marks (start, end, key, repaired), marker and marked, payload.
    const double = (x: number): number => ((x << 1) ^ (x & 0x80 ? 0x11d : 0)) & 255;
    const times64 = (x: number): number => double(double(double(double(double(double(x))))));
    expect(Buffer.from(symbol.map(times64)).toString('hex')).toBe('0002' + 'e8' + 'c0' + '0102');
  });

  it('protects key frames, layer 0 and the rest unequally, and saves up fractions', () => {
    const { pair, out } = camera();
    pair.a.setPolicy(video([0.5, 0.3, 0.1]));
    const count = (frames: () => MediaPacket[][]): number => {
      const before = repairs(pair).length;
      for (const frame of frames()) for (const p of frame) out.sink(p, 0);
      return repairs(pair).length - before;
    };
    let seq = 0;
    let f = 0;
    const frames = (n: number, packets: number, more: object) => () =>
      Array.from({ length: n }, () => {
        seq += packets;
        return picture(f++, seq - packets, packets, more);
      });
    expect(count(frames(1, 20, { key: true }))).toBe(10);
    expect(count(frames(1, 8, { config: true }))).toBe(4);
    expect(count(frames(10, 1, { temporal: 0 }))).toBe(3);
    expect(count(frames(10, 1, { temporal: 1 }))).toBe(1);
    expect(count(frames(10, 1, { temporal: 2 }))).toBe(1);
  });

  it('brings back any packets of a frame, as many as there are repair packets', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.constantFrom(0.25, 0.5, 1, 1.5),
        fc.nat(),
        fc.double({ min: 0, max: 0.6, noNaN: true }),
        (packets, amount, seed, share) => {
          const random = seeded(seed);
          const came = new Set<number>();
          const world = {
            lost: (_: number, what: string, b: Uint8Array) => {
              const lost = what === 'packet' && random() < share;
              if (!lost && what === 'packet') came.add(typeOf(b) * 65536 + seqOf(b));
              return lost;
            },
            delayMs: 30,
            announceDelayMs: 0,
            jitterMs: () => random() * 10,
          };
          const { pair, seen, out, track } = camera(world);
          pair.a.setPolicy(video([amount, amount, amount]));
          const frame = picture(1, 50, packets, { bytes: 200 });
          for (const p of frame) out.sink(p, 0);
          pair.run(1000);
          // Groups of at most 64, one after the other; their repair packets in order.
          let repairSeq = 0;
          let owed = 0;
          const expected: MediaPacket[] = [];
          for (let from = 0; from < packets; from += 64) {
            const members = frame.slice(from, from + 64);
            owed += members.length * amount;
            const rows = Math.floor(owed);
            owed -= rows;
            const here = members.filter((_, i) => came.has(97 * 65536 + 0x4000 + from + i));
            let rowsHere = 0;
            for (let r = 0; r < rows; r++) if (came.has(100 * 65536 + repairSeq++)) rowsHere++;
            expected.push(...(here.length + rowsHere >= members.length ? members : here));
          }
          expect([...seen].sort(bySeq)).toEqual(expected);
          expect(track.stats.frames).toBe(expected.length === packets ? 1 : 0);
          expect(pair.drops.b.all().size).toBe(0);
        },
      ),
      { numRuns: Number(process.env.FUZZ_RUNS ?? 60) },
    );
  });

  it('goes around holes of the source and packets out of order', () => {
    const dropped = new Set([0x4003, 0x4007]);
    const { pair, seen, out } = camera({ lost: (_, __, b) => typeOf(b) === 97 && dropped.has(seqOf(b)) });
    pair.a.setPolicy(video([1, 1, 1]));
    const frame = picture(1, 0, 12, { bytes: 300 });
    const order = [0, 1, 4, 3, 2, 7, 8, 10, 9, 11]; // 5 and 6 never were; the last of the frame comes last
    for (const i of order) out.sink(frame[i]!, 0);
    pair.run(1000);
    expect([...seen].sort(bySeq)).toEqual(order.sort((a, b) => a - b).map(i => frame[i]!));
  });

  it('brings back a frame of which nothing came, even the very first', () => {
    const { pair, seen, out } = camera({ lost: (_, __, b) => typeOf(b) === 97 && seqOf(b) < 0x4002 });
    pair.a.setPolicy(video([1, 1, 1]));
    const frames = [...picture(0, 0, 2, { key: true }), ...picture(1, 2, 1)];
    for (const p of frames) out.sink(p, 0);
    pair.run(100);
    expect([...seen].sort(bySeq)).toEqual(frames);
  });

  it('works together with retransmission: whichever comes first, each packet once', () => {
    const random = seeded(77);
    const { pair, seen, out, track } = camera({
      delayMs: 40,
      announceDelayMs: 0,
      lost: () => random() < 0.3,
    });
    pair.a.setPolicy(video([0.6, 0.4, 0.2], { nackCopies: 2 }));
    const sent: MediaPacket[] = [];
    for (let f = 0; f < 200; f++) {
      const frame = picture(f, f * 6, 6, { key: f % 50 === 0, temporal: f % 3, bytes: 100 });
      sent.push(...frame);
      for (const p of frame) out.sink(p, pair.now);
      pair.run(pair.now + 33);
    }
    pair.run(pair.now + 2000);
    expect(new Set(seen.map(p => p.seq)).size).toBe(seen.length);
    for (const p of seen) expect(p).toEqual(sent[p.seq]);
    expect(seen.length / sent.length).toBeGreaterThan(0.995);
    expect(track.stats.recovered).toBeGreaterThan(0.25 * sent.length);
  });

  it.each([
    [0.1, [1, 0.8, 0.6], 0.97],
    [0.3, [1.5, 1.4, 1.2], 0.97],
    [0.5, [3, 2.8, 2.6], 0.97],
  ] as const)('alone holds frames at %s loss without a round trip', (share, amounts, least) => {
    const random = seeded(5);
    const { pair, out, track } = camera({ delayMs: 150, announceDelayMs: 0, lost: () => random() < share });
    pair.a.setPolicy(video([...amounts]));
    for (let f = 0; f < 300; f++) {
      const key = f % 60 === 0;
      for (const p of picture(f, f * 20, key ? 20 : 5, { key, temporal: f % 2, bytes: 300 }))
        out.sink(p, pair.now);
      pair.run(pair.now + 33);
    }
    pair.run(pair.now + 1000);
    expect(track.stats.frames / 300).toBeGreaterThan(least);
  });
});
