import { describe, expect, it } from 'vitest';
import { CODE, type Law, LINEAR } from './tables.ts';

const code = (law: Law, value: number): number => CODE[law][(value + 32768) >> 2]!;

describe('G.711 tables', () => {
  it('hold the corners of ITU-T G.711 tables 1 and 2', () => {
    // µ-law: 0 … ±8031 of 14 bits; A-law: ±1 … ±4032 of 13 bits.
    for (const [wire, value] of [
      [0xff, 0],
      [0x7f, 0],
      [0x80, 8031 * 4],
      [0x00, -8031 * 4],
      [0xfe, 2 * 4],
      [0xef, 33 * 4],
    ])
      expect(LINEAR.PCMU[wire!]).toBe(value);
    for (const [wire, value] of [
      [0xd5, 1 * 8],
      [0x55, -1 * 8],
      [0xaa, 4032 * 8],
      [0x2a, -4032 * 8],
      [0xc5, 33 * 8],
    ])
      expect(LINEAR.PCMA[wire!]).toBe(value);
  });

  it.each(['PCMU', 'PCMA'] as const)('%s: every value goes to the nearest code', law => {
    for (let wire = 0; wire < 256; wire++)
      if (!(law === 'PCMU' && wire === 0x7f)) expect(code(law, LINEAR[law][wire]!)).toBe(wire); // −0 is written as +0
    for (let value = -32768; value < 32768; value += 4) {
      const error = Math.abs(LINEAR[law][code(law, value)]! - value);
      const nearest = LINEAR[law].reduce((best, v) => Math.min(best, Math.abs(v - value)), 65536);
      expect(error - nearest, `${value}`).toBeLessThanOrEqual(0);
    }
  });
});
