import { acceptedLimits, levelLimits, readProfileLevelId } from '../../codecs/h264/level.ts';
import { macroblocks as blocksOf } from '../../codecs/video/fit.ts';
import type { Format } from '../contract.ts';

/** True when a receiver that takes `accept` can be handed `format` untouched. */
export const accepts = (accept: readonly Format[], format: Format): boolean =>
  accept.some(a => a.codec === format.codec && refusal(a, format) === undefined);

/** Why a receiver of `accept` cannot take `format`, in a few words; undefined: it can. Both are of one codec. */
export function refusal(a: Format, format: Format): string | undefined {
  switch (format.codec) {
    case 'opus': // RFC 7587 §4.1: always 48000/2 on the wire; every decoder takes mono and stereo, all rates
      return undefined;
    case 'VP8':
      return sizeOver(macroblocks(format), Number(a.fmtp?.['max-fs'] ?? Number.POSITIVE_INFINITY));
    case 'H264':
      return h264(a, format);
    case 'AAC':
      return a.clockRate === format.clockRate && a.fmtp?.config === format.fmtp?.config
        ? undefined
        : 'another AAC configuration';
    default:
      return a.clockRate === format.clockRate ? undefined : 'another clock rate';
  }
}

/** RFC 6184 §8.1: absent means 0. */
export const packetizationMode = (f: Format): number => Number(f.fmtp?.['packetization-mode'] ?? 0);

/**
 * What is not known of a track yet (no SPS seen) is no reason to refuse it, and a receiver that names no profile
 * takes any: it is no SDP receiver (RFC 6184's default is written out by those who read SDP).
 */
function h264(a: Format, format: Format): string | undefined {
  // RFC 6184 §6: a mode 0 receiver takes single NAL units only; a mode 1 receiver takes both
  if (packetizationMode(format) > packetizationMode(a)) return 'packetization-mode 1';
  const reorder = Number(format.fmtp?.['x-reorder'] ?? 0);
  if (reorder > Number(a.fmtp?.['x-reorder'] ?? Number.POSITIVE_INFINITY)) return 'B-frames';
  const taken = a.fmtp?.['profile-level-id'];
  const given = format.fmtp?.['profile-level-id'];
  if (taken === undefined) return undefined;
  const can = readProfileLevelId(taken);
  const is = given === undefined ? undefined : readProfileLevelId(given);
  if (can === undefined) return `an unreadable profile-level-id ${taken}`;
  if (is !== undefined && !decodes(rankOf(can), rankOf(is))) return `profile ${given}`;
  return levelOver(a, format, can.level, is?.level);
}

/** Ordered so that each decodes those before it, but for the extended profile, which stands aside. */
const PROFILES = ['baseline', 'main', 'high', 'high10', 'high422', 'high444'] as const;
type Profile = (typeof PROFILES)[number] | 'extended' | 'other';

/**
 * RFC 6184 table 5. Baseline counts as constrained baseline: what sets them apart (flexible macroblock order,
 * redundant slices) no encoder of a camera or phone makes and no decoder of a browser knows.
 */
function rankOf({ profile, constraints }: { profile: number; constraints: number }): Profile {
  const set0 = (constraints & 0x80) !== 0;
  const set1 = (constraints & 0x40) !== 0;
  switch (profile) {
    case 66:
      return 'baseline';
    case 77:
      return set0 ? 'baseline' : 'main';
    case 88:
      return set0 ? 'baseline' : set1 ? 'main' : 'extended';
    case 100:
      return 'high';
    case 110:
      return 'high10';
    case 122:
      return 'high422';
    case 244:
      return 'high444';
    default:
      return 'other';
  }
}

function decodes(can: Profile, is: Profile): boolean {
  if (can === is) return true;
  const [c, i] = [PROFILES.indexOf(can as never), PROFILES.indexOf(is as never)];
  return can === 'extended' ? is === 'baseline' : c >= 0 && i >= 0 && i <= c;
}

/** Pictures a second assumed of a stream whose size is known but not its rate. */
const FPS = 30;

/**
 * A stream's level is what its encoder promises at most; `max-fs` and `max-mbps` raise what the receiver takes
 * (RFC 6184 §8.1), and a stream of a higher level whose pictures are known to fit is no burden to it.
 */
function levelOver(a: Format, format: Format, can: number, is: number | undefined): string | undefined {
  const limits = acceptedLimits(a);
  const size = macroblocks(format);
  const over = sizeOver(size, limits.maxFs);
  if (over !== undefined || is === undefined || is <= can) return over;
  const promised = levelLimits(is);
  const fits =
    (size ?? promised.maxFs) <= limits.maxFs &&
    (size === undefined ? promised.maxMbps : size * FPS) <= limits.maxMbps;
  return fits ? undefined : `level ${is / 10}`;
}

const sizeOver = (size: number | undefined, maxFs: number): string | undefined =>
  size !== undefined && size > maxFs ? `pictures of ${size} macroblocks` : undefined;

/** Of one picture, by its displayed size; undefined while that is unknown. */
export function macroblocks(f: Format): number | undefined {
  const size = /^(\d{1,5})x(\d{1,5})$/.exec(f.fmtp?.['x-size'] ?? '');
  const blocks = size === null ? 0 : blocksOf(Number(size[1]), Number(size[2]));
  return blocks > 0 ? blocks : undefined;
}
