import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Format } from '../src/contract.ts';
import { Refusal } from '../src/kit/refusal.ts';
import { openDecoder, openEncoder, openLevelMeter } from './audio.ts';
import { encodeAll, noise } from './testing/sound.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

const FORMATS: readonly Format[] = [
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'AAC', clockRate: 48000, channels: 2 },
];

describe.each(FORMATS.map(format => ({ format, codec: format.codec })))('$codec', ({ format }) => {
  it('never throws on a payload: random bytes, cut frames, flipped bits, in any order', async () => {
    const encoder = await openEncoder(format, 48000);
    const frames = encodeAll(encoder, noise(48000, -10));
    encoder.close();
    const decoder = await openDecoder(encoder.format, 16000);
    const meter = await openLevelMeter(encoder.format);
    const frame = fc.constantFrom(...frames);
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 1500 }),
      frame,
      fc.tuple(frame, fc.nat()).map(([bytes, end]) => bytes.subarray(0, end % (bytes.length + 1))),
      fc.tuple(frame, fc.nat(), fc.nat(255)).map(([bytes, at, bits]) => {
        const broken = bytes.slice();
        broken[at % broken.length]! ^= bits;
        return broken;
      }),
    );
    fc.assert(
      fc.property(payload, payload, fc.integer({ min: 1, max: 960 }), (first, next, samples) => {
        for (const pcm of [decoder.decode(first), decoder.recover(next, samples), decoder.conceal(samples)]) {
          expect(pcm).toBeInstanceOf(Int16Array);
          expect(pcm.length).toBeLessThanOrEqual(16000);
        }
        const level = meter.level(first);
        expect(Number.isInteger(level) && level >= 0 && level <= 127).toBe(true);
      }),
      { numRuns },
    );
    decoder.close();
    meter.close();
  });
});

describe('AAC config', () => {
  it('is opened or refused in words, whatever it holds, and what it opens survives any unit', async () => {
    const hex = fc.oneof(
      fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.from(bytes).toString('hex')),
      fc.uint8Array({ minLength: 2, maxLength: 8 }).map(bytes => `11${Buffer.from(bytes).toString('hex')}`),
      fc.string({ maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(hex, fc.uint8Array({ maxLength: 300 }), async (config, unit) => {
        try {
          const decoder = await openDecoder({ codec: 'AAC', clockRate: 44100, fmtp: { config } }, 8000);
          expect(decoder.decode(unit)).toBeInstanceOf(Int16Array);
          decoder.close();
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
      { numRuns },
    );
  });
});
