import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hardForSubbands, join, snrDb, tone } from '../testing/sound.ts';
import { SubbandDecoder, SubbandEncoder } from './subband.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

describe('G.722', () => {
  it('codes to the very bits that an independent coder (FFmpeg) makes: pinned here, compared in oracle.test.ts', () => {
    const pcm = hardForSubbands();
    const wire = new Uint8Array(pcm.length / 2);
    new SubbandEncoder().encode(pcm, wire);
    expect(digest(wire)).toBe('e73e6280a2311c1b');
    const heard = new Int16Array(pcm.length);
    new SubbandDecoder().decode(wire, heard);
    expect(digest(new Uint8Array(heard.buffer))).toBe('f41dba4d08f47fb0');
  });

  it('keeps speech frequencies to better than 25 dB', () => {
    const pcm = join([tone(300, 16000, 0.5), tone(1500, 16000, 0.5)]);
    const wire = new Uint8Array(pcm.length / 2);
    new SubbandEncoder().encode(pcm, wire);
    const heard = new Int16Array(pcm.length);
    new SubbandDecoder().decode(wire, heard);
    expect(snrDb(pcm, heard, 40)).toBeGreaterThan(25);
  });
});
