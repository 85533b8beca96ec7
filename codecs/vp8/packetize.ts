import type { FrameMark } from '../../src/contract.ts';
import type { EmitPayload } from '../h264/packetize.ts';

/** X and I with a picture id of 15 bits: what every switching receiver can count with. */
const DESCRIPTOR_BYTES = 4;
const MAX_PAYLOAD_BYTES = 1200;

/**
 * VP8 pictures to RTP payloads, RFC 7741 §4. Pieces of even size would not help anyone: packets are filled.
 * One per stream; `payload` and `mark` are borrowed for the call. RTP's marker is `mark.end`.
 */
export function vp8Packetizer(maxPayloadBytes: number = MAX_PAYLOAD_BYTES) {
  const out = new Uint8Array(maxPayloadBytes);
  const mark: FrameMark = { start: false, end: false, key: false, config: false, temporal: 0 };
  let pictureId = 0;
  /** The payloads of one picture, in order. */
  return (picture: Uint8Array, emit: EmitPayload): void => {
    mark.key = picture.length > 0 && ((picture[0] as number) & 1) === 0;
    out[1] = 0x80;
    out[2] = 0x80 | (pictureId >> 8);
    out[3] = pictureId & 255;
    pictureId = (pictureId + 1) & 0x7fff;
    const piece = maxPayloadBytes - DESCRIPTOR_BYTES;
    for (let from = 0; from < picture.length; from += piece) {
      const to = Math.min(picture.length, from + piece);
      out[0] = from === 0 ? 0x90 : 0x80;
      out.set(picture.subarray(from, to), DESCRIPTOR_BYTES);
      mark.start = from === 0;
      mark.end = to === picture.length;
      emit(out.subarray(0, DESCRIPTOR_BYTES + to - from), mark);
    }
  };
}
