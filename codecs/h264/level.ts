import type { Format } from '../../src/contract.ts';

/** What a decoder can bear, ITU-T H.264 table A-1. */
export interface Limits {
  /** Macroblocks (16×16 pixels) a picture. */
  readonly maxFs: number;
  /** Macroblocks a second. */
  readonly maxMbps: number;
  readonly maxBps: number;
}

/** level_idc, macroblocks a second, a picture, kbit/s (baseline, main). Level 1b is 9 (§A.3.1), or 11 with set3. */
const TABLE: readonly (readonly [number, number, number, number])[] = [
  [10, 1485, 99, 64],
  [9, 1485, 99, 128],
  [11, 3000, 396, 192],
  [12, 6000, 396, 384],
  [13, 11_880, 396, 768],
  [20, 11_880, 396, 2000],
  [21, 19_800, 792, 4000],
  [22, 20_250, 1620, 4000],
  [30, 40_500, 1620, 10_000],
  [31, 108_000, 3600, 14_000],
  [32, 216_000, 5120, 20_000],
  [40, 245_760, 8192, 20_000],
  [41, 245_760, 8192, 50_000],
  [42, 522_240, 8704, 50_000],
  [50, 589_824, 22_080, 135_000],
  [51, 983_040, 36_864, 240_000],
  [52, 2_073_600, 36_864, 240_000],
];

/** RFC 6184 §8.1: what a receiver that says no `profile-level-id` takes: baseline, level 1. */
const DEFAULT_PROFILE_LEVEL_ID = '42000a';

export interface ProfileLevel {
  readonly profile: number;
  /** The byte of constraint flags, constraint_set0_flag on top. */
  readonly constraints: number;
  /** level_idc, 1b as 9. */
  readonly level: number;
}

/** Undefined when it is not six hex digits. */
export function readProfileLevelId(text: string = DEFAULT_PROFILE_LEVEL_ID): ProfileLevel | undefined {
  if (!/^[0-9a-f]{6}$/i.test(text)) return undefined;
  const [profile, constraints, level] = Buffer.from(text, 'hex') as unknown as [number, number, number];
  const oneB = level === 11 && profile <= 88 && (constraints & 0x10) !== 0;
  return { profile, constraints, level: oneB ? 9 : level };
}

/** Limits of a level; of an unknown one, those of the next lower known. */
export function levelLimits(level: number): Limits {
  const row = TABLE.findLast(([idc]) => idc <= level && (idc !== 9 || level === 9)) ?? TABLE[0];
  const [, maxMbps, maxFs, kbps] = row as readonly [number, number, number, number];
  return { maxFs, maxMbps, maxBps: kbps * 1000 };
}

/** The lowest level that bears pictures of this many macroblocks, that many macroblocks and bits a second. */
export function levelFor(need: Limits): number {
  const fits = TABLE.filter(
    ([idc, mbps, fs, kbps]) =>
      idc !== 9 && mbps >= need.maxMbps && fs >= need.maxFs && kbps * 1000 >= need.maxBps,
  );
  return fits[0]?.[0] ?? 52;
}

/** What a receiver takes: its level, raised by `max-fs`, `max-mbps` and `max-br` (RFC 6184 §8.1: they only raise). */
export function acceptedLimits(accept: Format): Limits {
  const { fmtp = {} } = accept;
  const base = levelLimits(readProfileLevelId(fmtp['profile-level-id'])?.level ?? 10);
  const raised = (name: string, floor: number, unit = 1): number => {
    const value = Number(fmtp[name]);
    return Number.isFinite(value) ? Math.max(floor, value * unit) : floor;
  };
  return {
    maxFs: raised('max-fs', base.maxFs),
    maxMbps: raised('max-mbps', base.maxMbps),
    maxBps: raised('max-br', base.maxBps, 1000),
  };
}
