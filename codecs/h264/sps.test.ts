import { describe, expect, it } from 'vitest';
import { acceptedLimits, levelFor, levelLimits, readProfileLevelId } from './level.ts';
import { readPps, readSlice } from './slice.ts';
import { readSps } from './sps.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const h264 = (fmtp: Record<string, string>) => ({ codec: 'H264', clockRate: 90_000, fmtp }) as const;

describe('parameter sets', () => {
  it('says profile, size, reordering and rate (streams made with x264 for this test)', () => {
    expect(readSps(hex('6742c01ed900a03db0110000030001000003003c0f162e48'))).toEqual({
      profileLevelId: '42c01e',
      id: 0,
      width: 640,
      height: 480,
      macroblocks: 1200,
      chroma: 1,
      lumaDepth: 0,
      chromaDepth: 0,
      interlaced: false,
      reorderFrames: 0,
      fps: 30,
    });
    // 360×640: eight columns cropped off; 1080 lines: eight of 1088.
    expect(readSps(hex('674d401eeca0b828f2f80880000003008000001e078b16cb'))).toMatchObject({
      profileLevelId: '4d401e',
      width: 360,
      height: 640,
      macroblocks: 920,
      reorderFrames: 2,
    });
    expect(readSps(hex('67640028acd940780227e5c044000003000400000300f03c60c658'))).toMatchObject({
      width: 1920,
      height: 1080,
      macroblocks: 8160,
      fps: 30,
    });
  });

  it('knows that baseline never reorders, and does not guess for others', () => {
    // 352×288, order count type 0, no VUI: `ue(0)=1 ue(0)=1 ue(0)=1 ue(0)=1 ue(1)=010 0 ue(21) ue(17) 1 1 0 0 1`.
    const body = 'f40b04b2';
    expect(readSps(hex(`6742001e${body}`))).toMatchObject({ width: 352, height: 288, reorderFrames: 0 });
    expect(readSps(hex(`674d001e${body}`))).toMatchObject({
      width: 352,
      height: 288,
      reorderFrames: undefined,
    });
  });

  it('is nothing when cut, absurd, or another unit', () => {
    const sps = hex('67640028acd940780227e5c044000003000400000300f03c60c658');
    for (let n = 0; n < sps.length - 2; n++) expect(readSps(sps.subarray(0, n))).toBeUndefined();
    expect(readSps(hex('6842c01ed900a03db011'))).toBeUndefined();
    expect(readSps(hex(`6742001e${'00'.repeat(40)}`))).toBeUndefined();
    expect(readSps(hex('6742001ef400010000004000000fff'))).toBeUndefined(); // millions of blocks
    expect(readSps(new Uint8Array(0))).toBeUndefined();
  });

  it('reads whose a PPS is and how a slice begins', () => {
    expect(readPps(hex('68ebecb22c'))).toEqual({ id: 0, sps: 0, cabac: true });
    expect(readSlice(hex('6588840233'))).toEqual({ firstMb: 0, type: 'I', pps: 0 });
    expect(readSlice(hex('419a2466'))).toEqual({ firstMb: 0, type: 'P', pps: 0 });
    expect(readSlice(hex('019e4174'))).toEqual({ firstMb: 0, type: 'B', pps: 0 });
    expect(readSlice(hex('06050a'))).toBeUndefined();
    expect(readSlice(hex('41'))).toBeUndefined();
    expect(readSlice(hex('410000000000'))).toBeUndefined();
  });
});

describe('levels (table A-1)', () => {
  it('reads profile-level-id, 1b among them', () => {
    expect(readProfileLevelId('42e01f')).toEqual({ profile: 66, constraints: 0xe0, level: 31 });
    expect(readProfileLevelId('42f00b')?.level).toBe(9);
    expect(readProfileLevelId('64100b')?.level).toBe(11); // high tells 1b as level_idc 9
    expect(readProfileLevelId(undefined)).toEqual({ profile: 66, constraints: 0, level: 10 });
    expect(readProfileLevelId('42e0')).toBeUndefined();
    expect(readProfileLevelId('42e01g')).toBeUndefined();
  });

  it('limits: of a level, of an unknown one, and what need asks', () => {
    expect(levelLimits(31)).toEqual({ maxFs: 3600, maxMbps: 108_000, maxBps: 14_000_000 });
    expect(levelLimits(9)).toEqual({ maxFs: 99, maxMbps: 1485, maxBps: 128_000 });
    expect(levelLimits(10).maxBps).toBe(64_000);
    expect(levelLimits(33)).toEqual(levelLimits(32));
    expect(levelLimits(0)).toEqual(levelLimits(10));
    expect(levelFor({ maxFs: 1200, maxMbps: 36_000, maxBps: 1_000_000 })).toBe(30);
    expect(levelFor({ maxFs: 3600, maxMbps: 108_000, maxBps: 1_000_000 })).toBe(31);
    expect(levelFor({ maxFs: 99, maxMbps: 1485, maxBps: 100_000 })).toBe(11); // never 1b
  });

  it('a receiver’s own limits only raise those of its level', () => {
    expect(
      acceptedLimits(h264({ 'profile-level-id': '42e00d', 'max-fs': '3600', 'max-mbps': '100' })),
    ).toEqual({
      maxFs: 3600,
      maxMbps: 11_880,
      maxBps: 768_000,
    });
    expect(acceptedLimits(h264({ 'profile-level-id': '42e00d', 'max-br': '2000' })).maxBps).toBe(2_000_000);
    expect(acceptedLimits(h264({ 'max-fs': 'many' })).maxFs).toBe(99);
  });
});
