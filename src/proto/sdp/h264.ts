/**
 * H.264 in descriptions (RFC 6184 §8.1, §8.2.2).
 * ```
 * a=fmtp:97 profile-level-id=42e01f;packetization-mode=1;max-fs=3600;level-asymmetry-allowed=1
 *                            └┬┘└┴─ level × 10 (1f = 31 = 3.1)
 *                             └──── profile_idc, constraint flags
 * ```
 * Profile and packetization-mode belong to a payload type and must be the same both ways; the level is what each end
 * takes, where both allow the asymmetry, else the lower of the two.
 */
import type { Format } from '../../contract.ts';
import type { SdpCodec } from './sdp.ts';
import { is } from './section.ts';

/** What we take and name in offers: constrained baseline, which every room member decodes, up to 720p30 (level 3.1). */
const OUR_PROFILE = '42e0';
const OUR_LEVEL = 0x1f;
/**
 * Without `profile-level-id` RFC 6184 means baseline of level 1, a picture of 128×96. Who leaves it out means
 * baseline and nothing about the level.
 */
const UNSAID = '42001f';
/** What a receiver can do beyond its level. */
const BEYOND_LEVEL = ['max-fs', 'max-mbps', 'max-br'];

/** Parameter sets of what the peer sends, told out of band. */
const SPROP = 'sprop-parameter-sets';

export type Mode = '0' | '1';

/** Profiles in the order in which they contain one another: (constrained) baseline, main, high. Others are not carried. */
const RANK: Readonly<Record<string, number>> = { '42': 0, '4d': 1, '64': 2 };
/** What pictures of a profile ask of a decoder; a profile not known here asks for more than anybody has. */
const rankOf = (profileLevelId: string): number => RANK[profileLevelId.slice(0, 2)] ?? 3;

const profileLevelId = (fmtp: Readonly<Record<string, string>>): string => {
  const said = fmtp['profile-level-id']?.toLowerCase() ?? '';
  return /^[0-9a-f]{6}$/.test(said) ? said : UNSAID;
};

/** RFC 6184 §8.1: 0 when absent; 2 (interleaved) is not carried. */
const modeOf = (c: SdpCodec): string => c.fmtp['packetization-mode'] ?? '0';
const asymmetric = (c: SdpCodec): boolean => c.fmtp['level-asymmetry-allowed'] === '1';
const levelOf = (id: string): number => Number.parseInt(id.slice(4), 16);
const withLevel = (id: string, level: number): string => id.slice(0, 4) + level.toString(16).padStart(2, '0');

/**
 * The payload types of one mode that can be had: mode 1 where there is one, since mode 0 cannot cut a large unit.
 * Baseline first: what the peer then sends, every member of the room can show.
 */
export function h264Choice(codecs: readonly SdpCodec[]): SdpCodec[] {
  const able = codecs.filter(c => is(c, 'H264') && rankOf(profileLevelId(c.fmtp)) < 3);
  const [one, zero] = (['1', '0'] as const).map(mode => able.filter(c => modeOf(c) === mode));
  return (one!.length > 0 ? one! : zero!).sort(
    (a, b) => rankOf(profileLevelId(a.fmtp)) - rankOf(profileLevelId(b.fmtp)),
  );
}

/** The same configuration as `mine` of our offer, among those of the answer. */
export const h264Twin = (mine: SdpCodec, answer: readonly SdpCodec[]): SdpCodec | undefined =>
  answer.find(
    c =>
      is(c, 'H264') &&
      modeOf(c) === modeOf(mine) &&
      rankOf(profileLevelId(c.fmtp)) === rankOf(profileLevelId(mine.fmtp)),
  );

/** What we say to `theirs`: its profile and mode, and a level we take. */
export function h264Answer(theirs: SdpCodec): SdpCodec['fmtp'] {
  const id = profileLevelId(theirs.fmtp);
  const level = asymmetric(theirs) ? OUR_LEVEL : Math.min(OUR_LEVEL, levelOf(id));
  return {
    'profile-level-id': withLevel(id, level),
    'packetization-mode': modeOf(theirs),
    ...(asymmetric(theirs) && { 'level-asymmetry-allowed': '1' }),
  };
}

export const h264Offer = (mode: Mode): SdpCodec['fmtp'] => ({
  'profile-level-id': withLevel(OUR_PROFILE, OUR_LEVEL),
  'packetization-mode': mode,
  'level-asymmetry-allowed': '1',
});

/** What the peer accepts by `theirs`. B-frames never: phones show pictures as they come (`x-reorder`). */
export function h264Accepted(theirs: SdpCodec): Format {
  const id = profileLevelId(theirs.fmtp);
  const level = asymmetric(theirs) ? levelOf(id) : Math.min(levelOf(id), OUR_LEVEL);
  const more = BEYOND_LEVEL.filter(key => /^\d{1,9}$/.test(theirs.fmtp[key] ?? ''));
  const sets = theirs.fmtp[SPROP];
  return {
    codec: 'H264',
    clockRate: 90_000,
    fmtp: {
      'profile-level-id': withLevel(id, level),
      'packetization-mode': modeOf(theirs),
      ...(asymmetric(theirs) && { 'level-asymmetry-allowed': '1' }),
      ...Object.fromEntries(more.map(key => [key, theirs.fmtp[key] as string])),
      ...(sets !== undefined && { [SPROP]: sets }),
      'x-reorder': '0',
    },
  };
}

/** How far `accepted` is from the profile of `track`: 0 is the same, negative cannot be decoded. */
export const h264Distance = (accepted: Format, track: Format): number =>
  rankOf(profileLevelId(accepted.fmtp ?? {})) - rankOf(profileLevelId(track.fmtp ?? {}));
