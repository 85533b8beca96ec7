import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../../contract.ts';
import { RTP_HEADER_BYTES } from '../../rtp/rtp.ts';
import { packetCipher } from '../../rtp/srtp/cipher.ts';
import { directionKeys } from '../keys.ts';
import { copyOf, ignore, PlanePair, seeded, sound } from './plane.testing.ts';
import { type AudioPolicy, PLAIN_AUDIO } from './policy-types.ts';
import { RED_PACKET_BYTES } from './red-builder.ts';
import { MAX_BLOCKS, RED_PATTERNS } from './red-patterns.ts';

const policy = (more: Partial<AudioPolicy>): AudioPolicy => ({ ...PLAIN_AUDIO, ...more });
const seqOf = (b: Uint8Array): number => (b[2]! << 8) | b[3]!;

/** A voice from `a` to `b`, and what came of it. */
function call(world: ConstructorParameters<typeof PlanePair>[0] = {}) {
  const pair = new PlanePair(world);
  const heard: MediaPacket[] = [];
  const track = pair.b.hear(1, p => void heard.push(copyOf(p)));
  const out = pair.a.send(1, 'audio', 48000, ignore);
  return { pair, heard, track, out };
}

describe('a packet that carries earlier ones again', () => {
  it('looks like this: pattern, levels and markers in the extension, RFC 2198 in the seal', () => {
    const { pair, out } = call();
    pair.a.setPolicy(policy({ pattern: RED_PATTERNS.findIndex(p => p.join() === '1,2,4') }));
    const packet = (seq: number, pts: number, payload: string, level: number): MediaPacket => ({
      seq,
      pts,
      marker: seq === 50,
      payload: Buffer.from(payload),
      level,
    });
    out.sink(packet(50, 0, 'aa', 1), 0); // 4 before the last: marker
    out.sink(packet(52, 1920, 'bbb', 2), 40); // 2 before; 51 and 53 never were
    out.sink(packet(54, 3840, 'c', 3), 80);
    const wire = pair.sent[2]!.bytes;
    // V=2 X, PT 98, sequence 0x4004, timestamp 0x80000000 + 3840, SSRC 1
    expect(wire.toString('hex', 0, 12)).toBe('90624004' + '80000f00' + '00000001');
    // 0xBEDE, 2 words: level 3; pattern (element 3, 4 bytes): index 15, blocks 4, 2, 1 before: M|1, 2, none
    expect(wire.toString('hex', 12, 24)).toBe('bede0002' + '1003' + '330f810200' + '00');
    const plain = Buffer.alloc(200);
    expect(
      packetCipher(directionKeys(Buffer.alloc(32, 7), 'from-client', 0), 'rtp').open(
        wire,
        24,
        plain,
        1,
        0,
        0x4004,
      ),
    ).toBe(true);
    // F PT 96, 3840 back = 0f00 << 2, 2 bytes; 1920 back, 3 bytes; an empty one; primary 96; aa bbb c
    expect(plain.toString('hex', 24, wire.length - 16)).toBe(
      'e03c0002' + 'e01e0003' + 'e0000000' + '60' + '6161' + '626262' + '63',
    );
    expect(pair.drops.a.all().size).toBe(0);
  });

  it('is whatever it was without redundancy as long as there is nothing to repeat', () => {
    const { pair, out } = call();
    out.sink(sound(1), 0);
    pair.a.setPolicy(policy({ pattern: 5 }));
    out.sink(sound(2), 20); // nothing was kept so far
    out.sink(sound(3), 40);
    const types = pair.sent.map(s => s.bytes[1]! & 0x7f);
    expect(types).toEqual([96, 96, 98]);
  });

  it('leaves out what is too far back for 14 bits: silence without packets', () => {
    const { pair, out, heard, track } = call({ lost: (_, __, b) => seqOf(b) === 0x4001 });
    pair.a.setPolicy(policy({ pattern: 2 }));
    out.sink(sound(1, { pts: 0 }), 0);
    out.sink(sound(2, { pts: 960 }), 20); // lost, and then there is silence for 400 ms
    out.sink(sound(3, { pts: 960 + 19_200 }), 420);
    out.sink(sound(4, { pts: 1920 + 19_200 }), 440);
    pair.run(500);
    expect(heard.map(p => p.seq)).toEqual([1, 3, 4]);
    expect(track.stats).toMatchObject({ packets: 3, lost: 1, recovered: 0 });
  });

  it('follows a change of packet time', () => {
    const { pair, out, heard } = call({ lost: (_, __, b) => [0x4002, 0x4003].includes(seqOf(b)) });
    pair.a.setPolicy(policy({ pattern: 3 }));
    const sent = [0, 960, 1920, 3840, 6720, 9600].map((pts, i) => sound(i, { pts }));
    for (const p of sent) out.sink(p, p.pts / 48);
    pair.run(500);
    expect(heard).toEqual(sent);
  });

  it('stays below its size: the oldest give way', () => {
    const { pair, out, heard } = call();
    pair.a.setPolicy(policy({ pattern: 8 }));
    const sent = Array.from({ length: 12 }, (_, i) => sound(i, { payload: Buffer.alloc(170 + i, i) }));
    for (const p of sent) out.sink(p, p.seq * 20);
    out.sink(sound(12, { payload: Buffer.alloc(1100) }), 240); // no room for any
    out.sink(sound(13), 260); // and too long to be repeated
    pair.run(500);
    for (const { bytes } of pair.sent) expect(bytes.length).toBeLessThanOrEqual(RED_PACKET_BYTES);
    const last = pair.sent.slice(9, 12).map(s => s.bytes.length);
    for (const bytes of last) expect(bytes).toBeGreaterThan(RED_PACKET_BYTES - 200);
    expect(pair.sent[12]!.bytes[1]! & 0x7f).toBe(96);
    expect(heard.length).toBe(14);
  });

  it('carries sound with and without levels, each as it was', () => {
    const { pair, out, heard } = call({ lost: (_, __, b) => seqOf(b) === 0x4001 });
    pair.a.setPolicy(policy({ pattern: 1 }));
    const bare = (seq: number): MediaPacket => {
      const { level, ...rest } = sound(seq);
      return rest;
    };
    const sent = [bare(0), bare(1), bare(2), sound(3)];
    for (const p of sent) out.sink(p, p.seq * 20);
    pair.run(500);
    expect(heard).toEqual(sent);
  });
});

describe('under loss', () => {
  const numRuns = Number(process.env.FUZZ_RUNS ?? 40);

  /** What can be heard: packets that came, and those that some packet that came carries. */
  function reachable(came: ReadonlySet<number>, distances: readonly number[], count: number): Set<number> {
    const can = new Set(came);
    for (const seq of came) for (const d of distances) if (seq - d >= 0 && seq - d < count) can.add(seq - d);
    return can;
  }

  it('every pattern recovers all it can, each packet once, none wrong', () => {
    fc.assert(
      fc.property(
        fc.nat(RED_PATTERNS.length - 1),
        fc.nat(),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.nat(60),
        (pattern, seed, share, jitterMs) => {
          const random = seeded(seed);
          const came = new Set<number>();
          const { pair, out, heard } = call({
            delayMs: 20,
            announceDelayMs: 0,
            jitterMs: () => random() * jitterMs,
            lost: (_, what, b) => {
              const lost = random() < share;
              if (!lost && what === 'packet') came.add(seqOf(b) - 0x4000);
              return lost;
            },
          });
          pair.a.setPolicy(policy({ pattern }));
          const sent = Array.from({ length: 80 }, (_, i) => sound(i));
          for (const p of sent) {
            out.sink(p, pair.now);
            pair.run(pair.now + 20);
          }
          pair.run(pair.now + 200);
          const seqs = heard.map(p => p.seq).sort((a, b) => a - b);
          expect(seqs).toEqual([...reachable(came, RED_PATTERNS[pattern]!, 80)].sort((a, b) => a - b));
          for (const p of heard) expect(p).toEqual(sent[p.seq]);
          expect(pair.drops.b.all().size).toBe(0);
        },
      ),
      { numRuns },
    );
  });

  it('the policy may change between any two packets', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            pattern: fc.nat(RED_PATTERNS.length - 1),
            copies: fc.constantFrom<1 | 2 | 3 | 4>(1, 2, 3, 4),
            nack: fc.boolean(),
            twoPaths: fc.boolean(),
          }),
          { minLength: 30, maxLength: 60 },
        ),
        fc.nat(),
        (policies, seed) => {
          const random = seeded(seed);
          const { pair, out, heard } = call({ delayMs: 15, lost: () => random() < 0.4 });
          const sent = policies.map((_, i) => sound(i, i % 7 === 3 ? { pts: i * 960 + 5000 } : {}));
          const order = sent.map((p, i) => ({ p, at: i + random() * 3 })).sort((a, b) => a.at - b.at);
          order.forEach(({ p }, i) => {
            pair.a.setPolicy(policy(policies[i]!));
            out.sink(p, pair.now);
            pair.run(pair.now + 20);
          });
          pair.run(pair.now + 500);
          expect(new Set(heard.map(p => p.seq)).size).toBe(heard.length);
          for (const p of heard) expect(p).toEqual(sent[p.seq]);
          for (const { bytes, spread } of pair.sent)
            if ((bytes[1]! & 0x7f) !== 99) expect(['best', 'both']).toContain(spread);
        },
      ),
      { numRuns },
    );
  });

  it('patterns are what the design names, and fit their header', () => {
    expect(RED_PATTERNS.slice(0, 9).map(p => p.length)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(RED_PATTERNS).toContainEqual([1, 2, 4, 8, 12, 16]);
    for (const p of RED_PATTERNS) {
      expect(p.length).toBeLessThanOrEqual(MAX_BLOCKS);
      expect([...p].sort((a, b) => a - b)).toEqual(p);
    }
    expect(new Set(RED_PATTERNS.map(p => p.join())).size).toBe(RED_PATTERNS.length);
  });
});

describe('copies', () => {
  it('are the same bytes, 5 ms apart, over both paths when the policy says so', () => {
    const { pair, out, heard, track } = call();
    pair.a.setPolicy(policy({ copies: 4, twoPaths: true, pattern: 5 }));
    for (let seq = 0; seq < 3; seq++) {
      out.sink(sound(seq), pair.now);
      pair.run(pair.now + 20);
    }
    pair.run(100);
    expect(pair.sent.map(s => s.at)).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
    for (let i = 0; i < 12; i++) expect(pair.sent[i]!.bytes).toEqual(pair.sent[i - (i % 4)]!.bytes);
    expect(pair.sent.every(s => s.spread === 'both')).toBe(true);
    expect(heard.map(p => p.seq)).toEqual([0, 1, 2]);
    expect(track.stats).toMatchObject({ packets: 3, repeated: 9, lost: 0 });
    expect(out.stats.policy).toBe('red 1,2,3,4,5 ×4 two paths');
  });

  it('wait in a bounded place: what finds none goes at once', () => {
    const { pair, out } = call();
    pair.a.setPolicy(policy({ copies: 2 }));
    for (let seq = 0; seq < 600; seq++) out.sink(sound(seq), 0);
    expect(pair.sent.length).toBe(600 + 88);
    pair.run(5);
    expect(pair.sent.length).toBe(1200);
    expect(pair.a.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('are behind the header alone as long as there is nothing else', () => {
    const { pair, out } = call();
    out.sink(sound(1), 0);
    expect(pair.sent[0]!.bytes.length).toBe(RTP_HEADER_BYTES + 8 + sound(1).payload.length + 16);
  });
});
