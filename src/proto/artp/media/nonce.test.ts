import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyOf, ignore, PlanePair, picture, seeded, sound } from './plane.testing.ts';
import { RED_PATTERNS } from './red-patterns.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 20);

/**
 * RFC 7714 §8.1: SSRC and packet index make the nonce. Whatever is done (policies, copies, retransmissions, repair,
 * renewals, new keys, a source that repeats and jumps), no key seals two packets under one.
 */
it('no nonce is ever used twice', () => {
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 0.7, noNaN: true }), (seed, share) => {
      const random = seeded(seed);
      const pick = (n: number): number => Math.floor(random() * n);
      const pair = new PlanePair({ delayMs: 20, lost: () => random() < share });
      const used = new Set<string>();
      const { keys } = pair;
      const { sealer } = keys.a;
      keys.a.sealer = kind => {
        const cipher = sealer.call(keys.a, kind);
        const epoch = keys.a.sendEpoch;
        return Object.create(cipher, {
          seal: {
            value: (...args: Parameters<typeof cipher.seal>) => {
              const nonce = `${epoch} ${args[3]} ${args[4]} ${args[5]}`;
              expect(used.has(nonce)).toBe(false);
              used.add(nonce);
              return cipher.seal(...args);
            },
          },
        });
      };
      const heard = new Map<string, string>();
      for (const track of [1, 2])
        pair.b.hear(track, p => {
          const { seq, payload } = copyOf(p);
          const is = Buffer.from(payload).toString('latin1');
          // The same number of the source again carries what it carried, or nothing.
          expect(heard.get(`${track} ${seq}`) ?? is).toBe(is);
          heard.set(`${track} ${seq}`, is);
        });
      const voice = pair.a.send(1, 'audio', 48000, ignore);
      const camera = pair.a.send(2, 'video', 90000, ignore);
      let seq = 0;
      let videoSeq = 0;
      for (let i = 0; i < 150; i++) {
        pair.a.setPolicy({
          kind: 'audio',
          pattern: pick(RED_PATTERNS.length),
          copies: (1 + pick(4)) as 1,
          twoPaths: random() < 0.3,
          nack: random() < 0.5,
        });
        const repair = random() < 0.5 ? ([1, 0.5, 0.3] as const) : ([0, 0, 0] as const);
        pair.a.setPolicy({ kind: 'video', nackCopies: pick(4) as 0, repair, copies: 1, twoPaths: false });
        if (random() < 0.03) voice.renew();
        if (random() < 0.03) camera.renew();
        if (random() < 0.03) {
          keys.a.confirm(keys.a.sendEpoch);
          keys.a.nextEpoch();
        }
        if (random() < 0.02) seq += pick(100_000);
        voice.sink(sound(seq), pair.now);
        if (random() < 0.2) voice.sink(sound(Math.max(0, seq - pick(5))), pair.now);
        seq++;
        if (i % 2 === 0) {
          const packets = 1 + pick(8);
          for (const p of picture(i, videoSeq, packets, { key: i % 20 === 0, bytes: 80 }))
            camera.sink(p, pair.now);
          videoSeq += packets;
        }
        pair.run(pair.now + 20);
      }
      pair.run(pair.now + 1000);
      expect(used.size).toBeGreaterThan(200);
    }),
    { numRuns },
  );
});
