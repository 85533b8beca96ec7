import { acceptedLimits, levelLimits, readProfileLevelId } from '../../codecs/h264/level.ts';
import type { Format } from '../contract.ts';
import type { Termination } from '../kit/refusal.ts';
import { packetizationMode, refusal } from './accept.ts';
import type { Share } from './bandwidth.ts';
import { isAudio } from './codecs.ts';

/** What a shared video encoder makes: few kinds, so that many receivers can share one. */
export interface VideoTarget {
  /** H264: constrained baseline of the level not to exceed. */
  readonly format: Format;
  /** Undefined: by the size of the picture. */
  readonly classBps: number | undefined;
  readonly maxFps: number;
  readonly key: string;
}

/** Nothing larger than 720p is encoded here: level 3.1. Level 1b is none to aim at. */
const LEVELS = [31, 30, 22, 21, 20, 13, 12, 11, 10] as const;
/** A picture of few bits must be small: at most this level for up to this many bits a second. */
const LEVEL_OF_CLASS = [
  [150_000, 20],
  [600_000, 30],
] as const;
/** Of VP8 receivers that set limits: macroblocks a picture (QCIF, CIF, VGA, 720p), pictures a second. */
const VP8_SIZES = [3600, 1200, 396, 99] as const;
const RATES = [30, 15, 7] as const;
const MAX_FPS = 30;
/** Half the pictures for the narrowest class. */
const NARROW_FPS = 15;
const NARROW_BPS = 150_000;

/** What to encode for a receiver of `accept`; undefined when it takes no video codec. H264 first: more can share it. */
export function videoTarget(
  accept: readonly Format[],
  share: Exclude<Share, 'none'>,
): VideoTarget | undefined {
  const a =
    accept.find(f => f.codec === 'H264' && packetizationMode(f) > 0) ??
    accept.find(f => f.codec === 'VP8') ??
    accept.find(f => f.codec === 'H264');
  if (a === undefined) return undefined;
  const classBps = share === 'full' ? undefined : share;
  const narrowest = classBps !== undefined && classBps <= NARROW_BPS;
  const rate = Math.min(narrowest ? NARROW_FPS : MAX_FPS, positive(a.fmtp?.['max-fr']));
  const maxFps = RATES.find(fps => fps <= rate) ?? 7;
  const format = a.codec === 'H264' ? h264Target(a, classBps) : vp8Target(a, classBps);
  const key = `${format.codec} ${Object.values(format.fmtp ?? {}).join(' ')} ${maxFps} ${share}`;
  return { format, classBps, maxFps, key };
}

function h264Target(a: Format, classBps: number | undefined): Format {
  const level = Math.min(levelWithin(a), classLevel(classBps));
  return {
    codec: 'H264',
    clockRate: 90_000,
    fmtp: {
      'profile-level-id': `42e0${level.toString(16).padStart(2, '0')}`,
      'packetization-mode': packetizationMode(a) > 0 ? '1' : '0',
    },
  };
}

function vp8Target(a: Format, classBps: number | undefined): Format {
  const maxFs = Math.min(levelLimits(classLevel(classBps)).maxFs, positive(a.fmtp?.['max-fs']));
  const size = VP8_SIZES.find(blocks => blocks <= maxFs) ?? 99;
  return { codec: 'VP8', clockRate: 90_000, fmtp: { 'max-fs': String(size) } };
}

/**
 * The highest of our levels that the receiver takes: its own, or a higher one that its `max-fs` and `max-mbps` allow;
 * one that names no profile takes all.
 */
function levelWithin(a: Format): number {
  const id = a.fmtp?.['profile-level-id'];
  if (id === undefined) return LEVELS[0];
  const own = readProfileLevelId(id)?.level ?? 10;
  const base = levelLimits(own);
  const limits = acceptedLimits(a);
  const fits = LEVELS.find(level => {
    const { maxFs, maxMbps } = levelLimits(level);
    const needed = level <= own || maxFs > base.maxFs || maxMbps > base.maxMbps;
    return needed && maxFs <= limits.maxFs && maxMbps <= limits.maxMbps;
  });
  return fits ?? 10;
}

const classLevel = (classBps: number | undefined): number =>
  (classBps === undefined ? undefined : LEVEL_OF_CLASS.find(([bps]) => classBps <= bps)?.[1]) ?? LEVELS[0];

const positive = (text: string | undefined): number => {
  const value = Number(text);
  return value > 0 ? value : Number.POSITIVE_INFINITY;
};

/** Bits a second for a whole picture of so many macroblocks, 30 a second: 0.9 Mbit/s for VGA, 2.5 for 720p. */
export function bitrateForSize(blocks: number | undefined): number {
  const bps = (blocks ?? DEFAULT_BLOCKS) * BPS_PER_BLOCK;
  return Math.round(Math.min(MAX_BPS, Math.max(MIN_BPS, bps)));
}
const DEFAULT_BLOCKS = 1200;
const BPS_PER_BLOCK = 700;
const MIN_BPS = 250_000;
const MAX_BPS = 2_500_000;

/** Why a picture cannot be shown, for a receiver of `accept`; `missing`: why it cannot be transcoded. */
export function noPicture(
  format: Format,
  accept: readonly Format[],
  missing: string | undefined,
): Termination {
  const wanted = accept.filter(f => !isAudio(f));
  const same = wanted.find(f => f.codec === format.codec);
  const because = same && refusal(same, format);
  const text =
    wanted.length === 0
      ? 'This receiver takes no video codec; let it offer H.264 or VP8.'
      : `This picture is ${describe(format)} and the receiver takes ${wanted.map(describe).join(', ')}${
          because === undefined ? '' : ` (what it cannot take: ${because})`
        }. ${missing ?? ''}`.trim();
  return { blame: wanted.length === 0 ? 'client' : 'server', reason: 'no-video-transcode', text };
}

const describe = (f: Format): string =>
  f.codec === 'H264' ? `H264 (packetization-mode ${f.fmtp?.['packetization-mode'] ?? '0'})` : f.codec;
