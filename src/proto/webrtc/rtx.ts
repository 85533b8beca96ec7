import { RTP_HEADER_BYTES, type RtpView, writeRtpHeader } from '../rtp/rtp.ts';

/**
 * Retransmissions in a stream of their own, RFC 4588 §4:
 * ```
 * | RTP header: payload type, SSRC and sequence number of the retransmission stream, timestamp of the original |
 * | original sequence number (16) | original payload …
 * ```
 */
export const RTX_HEADER_BYTES = 2;

/**
 * Writes the packet that `view`, a retransmission, stands for into `out`, without header extensions. Returns its
 * length, 0 when there is none in it (browsers probe for bandwidth with empty ones) or it does not fit.
 */
export function restoreRtx(view: RtpView, payloadType: number, ssrc: number, out: Uint8Array): number {
  const { bytes, payloadStart, payloadEnd } = view;
  const length = payloadEnd - payloadStart - RTX_HEADER_BYTES;
  if (length <= 0 || RTP_HEADER_BYTES + length > out.length) return 0;
  const seq = ((bytes[payloadStart] as number) << 8) | (bytes[payloadStart + 1] as number);
  writeRtpHeader(out, payloadType, view.marker, seq, view.timestamp, ssrc);
  out.set(bytes.subarray(payloadStart + RTX_HEADER_BYTES, payloadEnd), RTP_HEADER_BYTES);
  return RTP_HEADER_BYTES + length;
}
