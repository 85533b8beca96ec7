import { describe, expect, it } from 'vitest';
import type { Format } from '../../src/contract.ts';
import { decodeAll, encodeAll, join, snrDb, tone } from '../testing/sound.ts';
import { openOpusDecoder, openOpusEncoder, openOpusLevelMeter } from './opus.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };

/** A voice, roughly: a gliding harmonic tone, so that repeating the past is a poor guess of the present. */
const voice = (): Int16Array =>
  Int16Array.from({ length: 3 * 48000 }, (_, i) => {
    const t = i / 48000;
    const phase = 2 * Math.PI * (180 * t + 15 * Math.sin(2 * Math.PI * 1.5 * t));
    return (
      2500 * (Math.sin(phase) + 0.6 * Math.sin(2 * phase) + 0.4 * Math.sin(5 * phase)) * (1 + Math.sin(9 * t))
    );
  });

describe('opus', () => {
  it('recovers lost packets from the next one better than it conceals them', async () => {
    const encoder = await openOpusEncoder(OPUS, 48000, {});
    const frames = encodeAll(encoder, voice());
    const reference = decodeAll(await openOpusDecoder(48000), frames);
    const lossy = async (fill: 'conceal' | 'recover') => {
      const decoder = await openOpusDecoder(48000);
      const parts = frames.map((frame, i) => {
        if (i % 5 !== 4 || i + 1 === frames.length) return decoder.decode(frame).slice();
        return (fill === 'recover' ? decoder.recover(frames[i + 1]!, 960) : decoder.conceal(960)).slice();
      });
      decoder.close();
      return snrDb(reference, join(parts));
    };
    const [concealed, recovered] = [await lossy('conceal'), await lossy('recover')];
    expect(recovered).toBeGreaterThan(concealed + 2);
  });

  it('obeys the bit rate it is given and the one its receiver asks for', async () => {
    const bps = async (format: Format, bitrateBps: number) => {
      const encoder = await openOpusEncoder(format, 48000, { bitrateBps });
      const frames = encodeAll(encoder, voice());
      encoder.close();
      return (frames.reduce((sum, f) => sum + f.length, 0) * 8) / 3;
    };
    expect(await bps(OPUS, 24_000)).toBeLessThan(26_000);
    expect(await bps(OPUS, 48_000)).toBeGreaterThan(35_000);
    expect(await bps({ ...OPUS, fmtp: { maxaveragebitrate: '16000' } }, 48_000)).toBeLessThan(18_000);
    expect(await bps({ ...OPUS, fmtp: { maxaveragebitrate: 'soon' } }, 48_000)).toBeGreaterThan(35_000);
  });

  it('takes discontinuous transmission for silence without decoding it', async () => {
    const meter = await openOpusLevelMeter();
    expect(meter.level(Uint8Array.of(0x78))).toBe(127);
    expect(meter.level(Uint8Array.of(0x78, 0x00))).toBe(127);
    expect(meter.badPackets).toBe(0);
    meter.close();
  });

  it('fills gaps of any length to the sample', async () => {
    const encoder = await openOpusEncoder(OPUS, 16000, {});
    const decoder = await openOpusDecoder(16000);
    const frames = encodeAll(encoder, tone(495, 16000, 0.3));
    decodeAll(decoder, frames);
    for (const samples of [1, 17, 160, 321, 1920, 5000]) {
      expect(decoder.conceal(samples).length).toBe(samples);
      expect(decoder.recover(frames[3]!, samples).length).toBe(samples);
    }
    expect(decoder.conceal(1e9).length).toBe(16000);
  });

  it('gives its memory back: two thousand coders leave nothing behind', async () => {
    const round = async () => {
      const all = [
        await openOpusEncoder(OPUS, 48000, {}),
        await openOpusDecoder(48000),
        await openOpusLevelMeter(),
      ];
      for (const it of all) it.close();
    };
    for (let i = 0; i < 50; i++) await round();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 700; i++) await round(); // each would leak some 60 KB
    expect(process.memoryUsage().rss - before).toBeLessThan(15e6);
  });
});
