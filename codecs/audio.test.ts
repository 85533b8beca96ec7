import { describe, expect, it } from 'vitest';
import type { Format } from '../src/contract.ts';
import { loadCodecs, missingFor, openDecoder, openEncoder, openLevelMeter, type PcmRate } from './audio.ts';
import { decodeAll, encodeAll, noise, tone, toneDb, totalDb } from './testing/sound.ts';

const FORMATS: readonly Format[] = [
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'AAC', clockRate: 48000, channels: 1 },
  { codec: 'AAC', clockRate: 48000, channels: 2 },
];
const RATES: readonly PcmRate[] = [8000, 16000, 48000];
const nameOf = (f: Format): string => `${f.codec}${f.codec === 'AAC' ? `/${f.channels}` : ''}`;

async function through(format: Format, pcm: Int16Array, from: PcmRate, to: PcmRate): Promise<Int16Array> {
  const encoder = await openEncoder(format, from);
  const decoder = await openDecoder(encoder.format, to);
  const heard = decodeAll(decoder, encodeAll(encoder, pcm));
  expect(decoder.badPackets).toBe(0);
  encoder.close();
  decoder.close();
  return heard;
}

describe.each(FORMATS.map(format => ({ format, name: nameOf(format) })))('$name', ({ format }) => {
  it.each(RATES)('keeps a tone through itself and every other codec, at %d Hz', async rate => {
    for (const hz of [495, 2773]) {
      const first = await through(format, tone(hz, rate, 0.6), rate, rate);
      expect(toneDb(first, hz, rate)).toBeCloseTo(-20, 0);
      for (const other of FORMATS) {
        const second = await through(other, first, rate, rate);
        const level = toneDb(second, hz, rate);
        expect(Math.abs(level + 20), `${hz} Hz through ${nameOf(other)}: ${level} dB`).toBeLessThan(1.5);
        // Nothing else is loud: codec noise stays well below the tone.
        expect(totalDb(second), `all but ${hz} Hz through ${nameOf(other)}`).toBeLessThan(-18);
      }
    }
  });

  it('decodes to a rate other than it was encoded from', async () => {
    for (const [from, to] of [
      [8000, 48000],
      [48000, 8000],
      [16000, 48000],
      [48000, 16000],
    ] as const) {
      const heard = await through(format, tone(1084, from, 0.6), from, to);
      expect(toneDb(heard, 1084, to)).toBeCloseTo(-20, 0);
    }
  });

  it('gives whole frames, stamped in clock units, whatever the blocks', async () => {
    const pcm = noise(16000);
    const encode = async (blockMs: number) => {
      const encoder = await openEncoder(format, 16000);
      const stamps: number[] = [];
      const frames: string[] = [];
      const block = 16 * blockMs;
      for (let at = 0; at < pcm.length; at += block)
        encoder.encode(pcm.subarray(at, at + block), (payload, pts) => {
          frames.push(Buffer.from(payload).toString('hex'));
          stamps.push(pts);
        });
      encoder.close();
      return { frames, stamps, ticks: encoder.frameTicks };
    };
    const [one, other] = [await encode(20), await encode(7)];
    expect(other).toEqual(one);
    expect(one.stamps).toEqual(one.stamps.map((_, i) => i * one.ticks));
    expect(one.frames.length * one.ticks).toBeGreaterThan(format.clockRate * 0.93);
  });

  it('conceals as many samples as asked, at a like level, then falls silent', async () => {
    for (const rate of RATES) {
      const encoder = await openEncoder(format, rate);
      const decoder = await openDecoder(encoder.format, rate);
      decodeAll(decoder, encodeAll(encoder, tone(495, rate, 0.4)));
      const gap = decoder.conceal(rate / 100).slice();
      expect(gap.length).toBe(rate / 100);
      expect(totalDb(gap, 1)).toBeGreaterThan(-26);
      expect(totalDb(gap, 1)).toBeLessThan(-17);
      for (let i = 0; i < 50; i++) decoder.conceal(rate / 50);
      expect(totalDb(decoder.conceal(rate / 50), 1)).toBeLessThan(-60);
      encoder.close();
      decoder.close();
    }
  });

  it('conceals odd lengths without drifting', async () => {
    const encoder = await openEncoder(format, 48000);
    const decoder = await openDecoder(encoder.format, 48000);
    let samples = 0;
    for (let i = 0; i < 1000; i++) samples += decoder.conceal(7).length;
    expect(Math.abs(samples - 7000)).toBeLessThanOrEqual(6);
    encoder.close();
    decoder.close();
  });

  it('takes a bad packet for a lost one, counts it, and goes on', async () => {
    const encoder = await openEncoder(format, 16000);
    const decoder = await openDecoder(encoder.format, 16000);
    const meter = await openLevelMeter(encoder.format);
    const frames = encodeAll(encoder, tone(495, 16000, 0.6));
    const before = decodeAll(decoder, frames.slice(0, 10));
    const bad = [new Uint8Array(0), new Uint8Array(9000)];
    for (const payload of bad) {
      expect(decoder.decode(payload).length).toBeGreaterThan(0);
      expect(meter.level(payload)).toBe(127);
    }
    expect(decoder.badPackets).toBe(2);
    expect(meter.badPackets).toBe(2);
    const after = decodeAll(decoder, frames.slice(10));
    expect(decoder.badPackets).toBe(2);
    expect(before.length).toBeGreaterThan(0);
    expect(toneDb(after, 495, 16000)).toBeCloseTo(-20, 0);
    for (const it of [encoder, decoder, meter]) it.close();
  });

  it('tells the level RFC 6464 defines', async () => {
    const meterOf = async (pcm: Int16Array): Promise<number> => {
      const encoder = await openEncoder(format, 16000);
      const meter = await openLevelMeter(encoder.format);
      const levels = encodeAll(encoder, pcm).map(frame => meter.level(frame));
      encoder.close();
      meter.close();
      return levels.at(-2)!;
    };
    for (const db of [-6, -20, -40]) {
      const level = await meterOf(tone(727, 16000, 0.5, db));
      expect(Math.abs(level - (3 - db)), `a sine of ${db} dB`).toBeLessThanOrEqual(1.5); // a full-scale sine is −3 dBov
    }
    expect(await meterOf(new Int16Array(8000))).toBeGreaterThanOrEqual(70);
  });

  it('is silent, not broken, after close', async () => {
    const encoder = await openEncoder(format, 8000);
    const frames = encodeAll(encoder, tone(495, 8000, 0.3));
    const decoder = await openDecoder(encoder.format, 8000);
    const meter = await openLevelMeter(encoder.format);
    decodeAll(decoder, frames);
    for (const it of [encoder, decoder, meter]) {
      it.close();
      it.close();
    }
    expect(totalDb(decoder.decode(frames[2]!), 1)).toBeLessThan(-60);
    expect(totalDb(decoder.conceal(160), 1)).toBeLessThan(-60);
    expect(totalDb(decoder.recover(frames[2]!, 160), 1)).toBeLessThan(-60);
    expect(encodeAll(encoder, tone(495, 8000, 0.3))).toEqual([]);
    expect(() => meter.level(frames[2]!)).not.toThrow();
  });
});

describe('AAC', () => {
  it.each([8000, 16000, 32000, 44100, 48000])('is made at %d Hz when asked', async clockRate => {
    const encoder = await openEncoder({ codec: 'AAC', clockRate }, 16000);
    expect(encoder.format).toMatchObject({ codec: 'AAC', clockRate, channels: 1 });
    const decoder = await openDecoder(encoder.format, 16000);
    const heard = decodeAll(decoder, encodeAll(encoder, tone(1084, 16000, 1)));
    expect(toneDb(heard, 1084, 16000)).toBeCloseTo(-20, 0);
    encoder.close();
    decoder.close();
  });

  it('is heard at its true rate when that is told only by the sound (HE-AAC: twice that of its core)', async () => {
    const encoder = await openEncoder({ codec: 'AAC', clockRate: 16000 }, 16000);
    const units = encodeAll(encoder, tone(1084, 16000, 1));
    encoder.close();
    // Object type 5 (SBR), core 16 kHz, mono, extension 32 kHz, core object type 2 (LC): ISO/IEC 14496-3 §1.6.2.1.
    const decoder = await openDecoder({ codec: 'AAC', clockRate: 16000, fmtp: { config: '2c0a88' } }, 48000);
    const heard = decodeAll(decoder, units);
    decoder.close();
    expect(decoder.badPackets).toBe(0);
    expect(Math.abs(heard.length / 48000 - (units.length * 1024) / 16000)).toBeLessThan(0.01);
    expect(toneDb(heard, 1084, 48000)).toBeCloseTo(-20, 0);
  });

  it('is made at 48 kHz when asked for a rate it is not made at', async () => {
    const encoder = await openEncoder({ codec: 'AAC', clockRate: 12345 }, 16000);
    expect(encoder.format.clockRate).toBe(48000);
    encoder.close();
  });

  it('is refused in words when its config is no config', async () => {
    for (const config of ['zz', '00', 'ff', '00'.repeat(100)])
      await expect(
        openDecoder({ codec: 'AAC', clockRate: 12345, fmtp: { config } }, 8000),
      ).rejects.toMatchObject({
        why: { blame: 'client', reason: 'bad-codec-config' },
      });
  });
});

describe('formats', () => {
  it('can be had, all of them, where everything is installed', async () => {
    await loadCodecs();
    for (const format of FORMATS) expect(missingFor(format)).toBeUndefined();
  });

  it('refuses video in words', async () => {
    const video: Format = { codec: 'VP8', clockRate: 90000 };
    expect(missingFor(video)).toMatch(/no audio codec/);
    await expect(openDecoder(video, 8000)).rejects.toMatchObject({ why: { reason: 'no-such-codec' } });
    await expect(openEncoder(video, 8000)).rejects.toMatchObject({ why: { reason: 'no-such-codec' } });
    await expect(openLevelMeter(video)).rejects.toMatchObject({ why: { reason: 'no-such-codec' } });
  });

  it.each([10, 20, 40, 60])('frames speech in %d ms when asked', async ptimeMs => {
    for (const format of FORMATS.slice(0, 4)) {
      const encoder = await openEncoder(format, 16000, { ptimeMs });
      expect(encoder.frameTicks).toBe((format.clockRate * ptimeMs) / 1000);
      expect(encodeAll(encoder, tone(495, 16000, 1.2)).length).toBe(1200 / ptimeMs);
      encoder.close();
    }
  });
});
