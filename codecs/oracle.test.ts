/** Our codecs against an independent implementation: the ffmpeg program, on files made here and now. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { missing } from '../test/harness/child.ts';
import { makeAacConfig } from './aac/config.ts';
import { openDecoder, openEncoder } from './audio.ts';
import { CODE, LINEAR } from './g711/tables.ts';
import { SubbandDecoder, SubbandEncoder } from './g722/subband.ts';
import { decodeAll, encodeAll, hardForSubbands, join, noise, snrDb, tone, toneDb } from './testing/sound.ts';

const dir = mkdtempSync(pathOf(tmpdir(), 'roombridge-oracle-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
/** Runs `bytes` through ffmpeg and returns what it wrote. */
function ffmpeg(bytes: Uint8Array, input: readonly string[], output: readonly string[]): Buffer {
  const from = pathOf(dir, `${files++}`);
  const to = pathOf(dir, `${files++}`);
  writeFileSync(from, bytes);
  execFileSync('ffmpeg', ['-y', '-loglevel', 'error', ...input, '-i', from, ...output, to]);
  return readFileSync(to);
}
const bytesOf = (pcm: Int16Array): Uint8Array => new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
const pcmOf = (bytes: Buffer): Int16Array =>
  new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~1)));
const raw = (rateHz: number): string[] => ['-f', 's16le', '-ar', `${rateHz}`, '-ac', '1'];
const chunks = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

describe.skipIf(missing('ffmpeg'))('against ffmpeg', () => {
  it.each([
    ['PCMU', 'mulaw', 'pcm_mulaw'],
    ['PCMA', 'alaw', 'pcm_alaw'],
  ] as const)('%s decodes every code alike, and encodes every value as near', (law, container, codec) => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const linear = pcmOf(ffmpeg(codes, ['-f', container, '-ar', '8000', '-ac', '1'], ['-f', 's16le']));
    expect(linear).toEqual(LINEAR[law]);
    const values = Int16Array.from({ length: 65536 }, (_, i) => i - 32768);
    const theirs = ffmpeg(bytesOf(values), raw(8000), ['-c:a', codec, '-f', container]);
    values.forEach((value, i) => {
      const ours = Math.abs(LINEAR[law][CODE[law][(value + 32768) >> 2]!]! - value);
      // Our table resolves 14 bits; a 16-bit value within 4 of the middle between two codes may go to either.
      if (ours > Math.abs(LINEAR[law][theirs[i]!]! - value) + 8) expect.fail(`${law} of ${value}`);
    });
  });

  it('G.722 makes and reads the very same bits', () => {
    const pcm = hardForSubbands();
    const wire = new Uint8Array(pcm.length / 2);
    new SubbandEncoder().encode(pcm, wire);
    expect(Buffer.from(wire).equals(ffmpeg(bytesOf(pcm), raw(16000), ['-c:a', 'g722', '-f', 'g722']))).toBe(
      true,
    );
    const heard = new Int16Array(pcm.length);
    new SubbandDecoder().decode(wire, heard);
    expect(heard).toEqual(pcmOf(ffmpeg(wire, ['-f', 'g722'], ['-f', 's16le'])));
  });

  it('opus made by ffmpeg decodes as ffmpeg decodes it', async () => {
    const pcm = join([tone(495, 48000, 0.7), noise(24000, -30), tone(2773, 48000, 0.7)]);
    const ogg = ffmpeg(bytesOf(pcm), raw(48000), ['-c:a', 'libopus', '-b:a', '32k', '-f', 'ogg']);
    const decoder = await openDecoder({ codec: 'opus', clockRate: 48000, channels: 2 }, 48000);
    const ours = decodeAll(decoder, oggPackets(ogg).slice(2)); // OpusHead, OpusTags: RFC 7845 §3
    const theirs = pcmOf(ffmpeg(ogg, ['-f', 'ogg', '-c:a', 'libopus'], ['-f', 's16le', '-ac', '1']));
    expect(decoder.badPackets).toBe(0);
    expect(snrDb(theirs, ours, 400)).toBeGreaterThan(40); // ffmpeg drops the pre-skip
  });

  it.each([
    [48000, 1],
    [44100, 2],
    [32000, 1],
    [16000, 1],
  ] as const)('AAC made by ffmpeg at %d Hz, %d channel(s), is heard alike', async (rateHz, channels) => {
    const pcm = tone(1084, 48000, 1);
    const adts = ffmpeg(bytesOf(pcm), raw(48000), [
      // Not -ac 2, which would lower each side by 3 dB.
      ...['-af', channels === 2 ? 'pan=stereo|c0=c0|c1=c0' : 'anull', '-ar', `${rateHz}`],
      ...['-c:a', 'aac', '-b:a', '64k', '-f', 'adts'],
    ]);
    const config = Buffer.from(makeAacConfig(rateHz, channels)!).toString('hex');
    for (const rate of [8000, 16000, 48000] as const) {
      const decoder = await openDecoder(
        { codec: 'AAC', clockRate: rateHz, channels, fmtp: { config } },
        rate,
      );
      const ours = decodeAll(decoder, adtsUnits(adts));
      decoder.close();
      expect(decoder.badPackets).toBe(0);
      expect(ours.length / rate).toBeGreaterThan(1);
      const tail = ours.subarray(0, Math.floor(0.9 * rate)); // the last units fade out
      expect(toneDb(tail, 1084, rate)).toBeCloseTo(-20, 0);
    }
  });

  it('AAC with sound on one side only is heard at half, as a mean of the sides should be', async () => {
    const left = ['-af', 'pan=stereo|c0=c0|c1=0*c0', '-c:a', 'aac', '-b:a', '96k', '-f', 'adts'];
    const adts = ffmpeg(bytesOf(tone(1084, 48000, 1)), raw(48000), left);
    const decoder = await openDecoder({ codec: 'AAC', clockRate: 48000, channels: 2 }, 48000);
    const ours = decodeAll(decoder, adtsUnits(adts));
    decoder.close();
    expect(toneDb(ours.subarray(0, 43000), 1084, 48000)).toBeCloseTo(-26, 0);
  });

  it.each([1, 2] as const)('AAC made by us, %d channel(s), is heard alike by ffmpeg', async channels => {
    const encoder = await openEncoder({ codec: 'AAC', clockRate: 48000, channels }, 16000);
    const units = encodeAll(encoder, tone(1084, 16000, 1));
    encoder.close();
    expect(encoder.format.fmtp?.config).toMatch(channels === 1 ? /^1188/ : /^1190/);
    const adts = Buffer.concat(units.map(unit => Buffer.concat([adtsHeader(unit.length, channels), unit])));
    const heard = pcmOf(ffmpeg(adts, ['-f', 'aac'], ['-f', 's16le', '-ac', '1']));
    expect(heard.length).toBeGreaterThan(45000);
    expect(toneDb(heard, 1084, 48000)).toBeCloseTo(-20, 0);
  });

  it('our G.711 is a tone to ffmpeg', async () => {
    const encoder = await openEncoder({ codec: 'PCMU', clockRate: 8000 }, 48000);
    const wire = Buffer.concat(encodeAll(encoder, tone(1084, 48000, 1)));
    const heard = pcmOf(ffmpeg(wire, ['-f', 'mulaw', '-ar', '8000', '-ac', '1'], ['-f', 's16le']));
    expect(toneDb(heard, 1084, 8000)).toBeCloseTo(-20, 0);
    expect(chunks(wire, 160).length).toBe(50);
  });
});

/** Packets of an Ogg file: RFC 3533 §6. A lacing value below 255 ends a packet. */
function oggPackets(ogg: Buffer): Uint8Array[] {
  const packets: Uint8Array[] = [];
  const part: Buffer[] = [];
  for (let at = 0; at + 27 <= ogg.length; ) {
    const segments = ogg[at + 26]!;
    let body = at + 27 + segments;
    for (let i = 0; i < segments; i++) {
      const size = ogg[at + 27 + i]!;
      part.push(ogg.subarray(body, body + size));
      body += size;
      if (size < 255) packets.push(Buffer.concat(part.splice(0)));
    }
    at = body;
  }
  return packets;
}

/** Raw units of an ADTS stream: ISO/IEC 14496-3 §1.A.2; 7 bytes of header, or 9 with a checksum. */
function adtsUnits(adts: Buffer): Uint8Array[] {
  const units: Uint8Array[] = [];
  for (let at = 0; at + 7 <= adts.length; ) {
    const length = ((adts[at + 3]! & 3) << 11) | (adts[at + 4]! << 3) | (adts[at + 5]! >> 5);
    units.push(adts.subarray(at + (adts[at + 1]! & 1 ? 7 : 9), at + length));
    at += length;
  }
  return units;
}

/** An ADTS header for one AAC-LC unit at 48 kHz (frequency index 3). */
function adtsHeader(unitLength: number, channels: number): Buffer {
  const length = unitLength + 7;
  return Buffer.of(
    ...[0xff, 0xf1, (1 << 6) | (3 << 2) | (channels >> 2), ((channels & 3) << 6) | (length >> 11)],
    ...[(length >> 3) & 255, ((length & 7) << 5) | 0x1f, 0xfc],
  );
}
