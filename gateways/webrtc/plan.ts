import type { Format } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { OfferedFormat, OfferedMedia, WebRtcOffer } from '../../src/proto/webrtc/offer.ts';

/** RFC 6464. */
export const AUDIO_LEVEL = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

/** The one line a publisher's sound comes on. Other lines are rejected; picture is not taken yet. */
export function publishedLine(offer: WebRtcOffer): OfferedMedia {
  const line = offer.media.find(
    m => isSound(m) && (m.direction === 'sendonly' || m.direction === 'sendrecv'),
  );
  if (line === undefined) throw noSound('send');
  return line;
}

/** The lines a player receives sound on: as many loudest members, or one stream of all. */
export function playedLines(offer: WebRtcOffer, max: number): OfferedMedia[] {
  const lines = offer.media.filter(
    m => isSound(m) && (m.direction === 'recvonly' || m.direction === 'sendrecv'),
  );
  if (lines.length === 0) throw noSound('receive');
  return lines.slice(0, max);
}

const isSound = (m: OfferedMedia): boolean => m.kind === 'audio' && m.formats.length > 0;

const noSound = (verb: string) =>
  refuse(
    'client',
    'no-common-codec',
    `The offer has no audio line to ${verb} on with opus, PCMU, PCMA or G722 over DTLS-SRTP and rtcp-mux.`,
  );

/** Payload type → format, of the line. */
export const formatsOf = (line: OfferedMedia): Map<number, Format> =>
  new Map(line.formats.map(f => [f.payloadType, f.format]));

/** How to send `format` on a line with these formats. */
export const offeredAs = (formats: readonly OfferedFormat[], format: Format): OfferedFormat | undefined =>
  formats.find(f => f.format.codec === format.codec);
