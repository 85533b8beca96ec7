/**
 * An SSRC says what it is, and is never used twice under one key:
 * ```
 * | epoch, low 8 bits | kind 2 | flow number, 22 bits, from 1 |
 * ```
 * Retransmissions and repair packets of a flow have its number with another kind.
 */
export const KIND = { media: 0, rtx: 1, repair: 2, rtcp: 3 } as const;
export const MAX_FLOW = 0x3fffff;

export const ssrcOf = (epoch: number, kind: number, flow: number): number =>
  (((epoch & 255) << 24) | (kind << 22) | flow) >>> 0;

/** Of the same flow; `media` is its media SSRC. */
export const withKind = (media: number, kind: number): number => (media | (kind << 22)) >>> 0;

export const kindOf = (ssrc: number): number => (ssrc >>> 22) & 3;
export const epochOf = (ssrc: number): number => ssrc >>> 24;
const flowOf = (ssrc: number): number => ssrc & MAX_FLOW;

/** Epoch and number of a flow, the same for all its kinds: a map key, small enough to cost no allocation. */
export const flowKey = (ssrc: number): number => ssrc & ~(3 << 22);

/**
 * Where a flow stands in the row of all flows of its side, which does not wrap: the 8 bits of its epoch are those of the
 * nearest to `epoch`, that of the side now. Of two flows alone nobody could tell, once 128 epochs lie between them.
 */
export function placeOf(ssrc: number, epoch: number): number {
  const ahead = ((epochOf(ssrc) - epoch + 128) & 255) - 128;
  return (epoch + ahead) * (MAX_FLOW + 1) + flowOf(ssrc);
}
