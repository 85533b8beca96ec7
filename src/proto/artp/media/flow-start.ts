/** Packets a flow remembers, on both sides: what is older is not sent, or not taken, twice. */
export const FLOW_WINDOW = 1024;
/** The RTP sequence number that stands for a flow's first packet: room for packets that overtake it. */
export const FIRST_SEQ = 0x4000;
/** The RTP timestamp that stands for a flow's first packet. */
export const FIRST_TIMESTAMP = 0x80000000;

/**
 * What the other side must know to read a flow, told reliably beside it: RTP sequence FIRST_SEQ is `seq`, RTP timestamp
 * FIRST_TIMESTAMP is `pts`. A flow never wraps: the track goes on in another before it would. So the rollover counter
 * is always 0 (RFC 3711 §3.3.1), and no loss, however long, can make the receiver miss a wrap.
 */
export interface FlowStart {
  /** Of its media. */
  readonly ssrc: number;
  readonly seq: number;
  readonly pts: number;
}
