/**
 * Seals and opens the packets of one direction, RTP or RTCP. Both transforms build their IV from
 * (SSRC, `high`, `low`): ROC and sequence for RTP, the upper and lower 16 bits of the index for RTCP
 * (RFC 3711 §4.1.1, RFC 7714 §8.1 and §9.1: the layouts coincide).
 */
export interface PacketCipher {
  readonly tagBytes: number;
  /** `out` starts with the header, `headerBytes` long; writes ciphertext and tag behind it. Returns the total. */
  seal(
    out: Uint8Array,
    headerBytes: number,
    payload: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): number;
  /** Writes header and plaintext into `out`; false when the tag does not fit. */
  open(
    packet: Uint8Array,
    headerBytes: number,
    out: Uint8Array,
    ssrc: number,
    roc: number,
    seq: number,
  ): boolean;
  /** `word` is E and the 31-bit index (RFC 3711 §3.4). Returns the whole SRTCP packet. */
  sealRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer;
  /** The plain RTCP packet, or undefined when the tag does not fit. */
  openRtcp(packet: Uint8Array, ssrc: number, word: number): Buffer | undefined;
  /** Where E and index stand, counted from the end. */
  readonly wordFromEnd: number;
  /** What stands behind the place of an MKI: the tag with CM (RFC 3711 §3.1), nothing with GCM (RFC 7714 §8.2, §9.2). */
  readonly trailerBytes: number;
}
