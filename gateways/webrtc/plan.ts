import { levelLimits } from '../../codecs/h264/level.ts';
import type { Format, VideoCodec, Want } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { OfferedFormat, OfferedMedia, WebRtcOffer } from '../../src/proto/webrtc/offer.ts';

/** RFC 6464. */
export const AUDIO_LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

/** A line for pictures, and those of its formats to use, the best first. */
export interface PictureLine {
  readonly line: OfferedMedia;
  readonly formats: readonly OfferedFormat[];
}

export interface Plan {
  readonly sound: readonly OfferedMedia[];
  readonly pictures: readonly PictureLine[];
}

/** The line a publisher's sound comes on, and the one its pictures do; others are rejected. */
export function publishedLines(offer: WebRtcOffer, codecs: readonly VideoCodec[]): Plan {
  const offered = offer.media.filter(m => m.direction === 'sendonly' || m.direction === 'sendrecv');
  const plan = {
    sound: offered.filter(isSound).slice(0, 1),
    pictures: pictureLines(offered, line => publishable(line, codecs)).slice(0, 1),
  };
  return required(plan, 'send');
}

/** The lines a player receives on, of either kind at most `max`. */
export function playedLines(offer: WebRtcOffer, codecs: readonly VideoCodec[], max: number): Plan {
  const offered = offer.media.filter(m => m.direction === 'recvonly' || m.direction === 'sendrecv');
  const plan = {
    sound: offered.filter(isSound).slice(0, max),
    pictures: pictureLines(offered, line => playable(line, codecs)).slice(0, max),
  };
  return required(plan, 'receive');
}

/**
 * What each picture line of a player is for. One: who speaks, or the member's camera. More: of a room, all but the last
 * are the cameras of as many members, and the last is what is shared; of a member, camera and screen.
 */
export function pictureWants(pictures: readonly PictureLine[], member: string | undefined): Want[] {
  const of = pictures.length - 1;
  const maxBps = Number.POSITIVE_INFINITY;
  return pictures.map(({ formats }, slot): Want => {
    const accept = formats.map(f => decodable(f.format));
    if (member !== undefined)
      return { kind: 'member', participant: member, source: slot === 0 ? 'camera' : 'screen', accept };
    if (of === 0) return { kind: 'picture', source: 'speaker', accept, maxBps };
    return slot < of
      ? { kind: 'cameras', slot, of, accept, maxBps }
      : { kind: 'picture', source: 'content', accept, maxBps };
  });
}

/** How to send `format` on a line with these formats: for H.264, as a profile of its own if there is one. */
export function offeredAs(formats: readonly OfferedFormat[], format: Format): OfferedFormat | undefined {
  const same = formats.filter(f => f.format.codec === format.codec);
  return same.find(f => profileOf(f.format) === profileOf(format)) ?? same[0];
}

/** Payload type → format, of the line. */
export const formatsOf = (line: OfferedMedia): Map<number, Format> =>
  new Map(line.formats.map(f => [f.payloadType, f.format]));

const isSound = (m: OfferedMedia): boolean => m.kind === 'audio' && m.formats.length > 0;

const pictureLines = (
  media: readonly OfferedMedia[],
  formatsFor: (line: OfferedMedia) => OfferedFormat[],
): PictureLine[] =>
  media
    .filter(m => m.kind === 'video')
    .map(line => ({ line, formats: formatsFor(line) }))
    .filter(({ formats }) => formats.length > 0);

function required(plan: Plan, verb: string): Plan {
  if (plan.sound.length > 0 || plan.pictures.length > 0) return plan;
  throw refuse(
    'client',
    'no-common-codec',
    `The offer has no line to ${verb} on with opus, PCMU, PCMA, G722, H264 or VP8 over DTLS-SRTP and rtcp-mux.`,
  );
}

const BASELINE = 0x42;
const MAIN = 0x4d;
/** constraint_set1_flag: a baseline stream that main decoders take too, which is what phones call baseline. */
const CONSTRAINED = 0x40;

/** Rooms carry packetization mode 1; and no profile above main, because phones have none. */
function publishable(line: OfferedMedia, codecs: readonly VideoCodec[]): OfferedFormat[] {
  const rank = ({ format }: OfferedFormat): number => {
    const { profile, constraints } = profileLevelOf(format);
    return profile === BASELINE ? (constraints & CONSTRAINED ? 0 : 1) : 2;
  };
  return inOrder(line, codecs)
    .filter(({ format }) => format.codec !== 'H264' || (isMode1(format) && isPhoneProfile(format)))
    .sort((a, b) =>
      a.format.codec === 'H264' && b.format.codec === 'H264' ? rank(a) - rank(b) : orderOf(codecs, a, b),
    );
}

/** All that the receiver decodes; packetization mode 0 only where there is no mode 1. */
function playable(line: OfferedMedia, codecs: readonly VideoCodec[]): OfferedFormat[] {
  const formats = inOrder(line, codecs);
  const mode1 = formats.some(f => isMode1(f.format));
  return formats.filter(f => f.format.codec !== 'H264' || !mode1 || isMode1(f.format));
}

const orderOf = (codecs: readonly VideoCodec[], a: OfferedFormat, b: OfferedFormat): number =>
  codecs.indexOf(a.format.codec as VideoCodec) - codecs.indexOf(b.format.codec as VideoCodec);

const inOrder = (line: OfferedMedia, codecs: readonly VideoCodec[]): OfferedFormat[] =>
  line.formats
    .filter(f => codecs.includes(f.format.codec as VideoCodec))
    .sort((a, b) => orderOf(codecs, a, b));

/** Level 4.2: 1080p at 60 a second. */
const DECODED = levelLimits(42);

/**
 * What a browser decodes, which is more than it offers: its level 3.1 means 720p, and all of them show a shared screen
 * of 1080p. Who names limits of its own means them. Pictures are shown in the order they come: none may be meant for
 * later.
 */
function decodable(f: Format): Format {
  if (f.codec !== 'H264') return f;
  const raised = { 'max-fs': String(DECODED.maxFs), 'max-mbps': String(DECODED.maxMbps) };
  const limited = f.fmtp?.['max-fs'] !== undefined || f.fmtp?.['max-mbps'] !== undefined;
  return { ...f, fmtp: { ...(!limited && raised), ...f.fmtp, 'x-reorder': '0' } };
}

/**
 * What a publisher is told we take: level 4.2 of its profile, where each end may have its own (RFC 6184 §8.1), because
 * some encoders keep to the level and a shared screen is larger than 720p.
 */
export function takenAs(offered: OfferedFormat): OfferedFormat {
  const { format } = offered;
  const { fmtp } = format;
  const id = fmtp?.['profile-level-id'];
  if (id === undefined || fmtp?.['level-asymmetry-allowed'] !== '1') return offered;
  if (Number.parseInt(id.slice(4), 16) >= TAKEN_LEVEL) return offered;
  const level = `${id.slice(0, 4)}${TAKEN_LEVEL.toString(16)}`;
  return { ...offered, format: { ...format, fmtp: { ...fmtp, 'profile-level-id': level } } };
}
const TAKEN_LEVEL = 42;

const isMode1 = (f: Format): boolean => f.codec === 'H264' && f.fmtp?.['packetization-mode'] === '1';

const isPhoneProfile = (f: Format): boolean => {
  const { profile } = profileLevelOf(f);
  return profile === BASELINE || profile === MAIN;
};

/** RFC 6184 §8.1; absent: baseline, level 1. */
function profileLevelOf(f: Format): { profile: number; constraints: number } {
  const id = Number.parseInt(f.fmtp?.['profile-level-id'] ?? '42000a', 16);
  return { profile: (id >> 16) & 255, constraints: (id >> 8) & 255 };
}

function profileOf(f: Format): string {
  if (f.codec !== 'H264') return '';
  const { profile, constraints } = profileLevelOf(f);
  return `${profile} ${profile === BASELINE && constraints & CONSTRAINED}`;
}
