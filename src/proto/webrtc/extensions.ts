/** URIs of RTP header extensions. */

/** RFC 8852: which simulcast stream a packet, or the retransmission of one, belongs to. */
export const RID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
export const REPAIRED_RID = 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id';
/** RFC 9143 §15: which m-line. */
export const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
/** draft-holmer-rmcat-transport-wide-cc-extensions-01: a number that counts all packets of the transport. */
export const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';
/** 12 bits least and 12 bits most delay between reception and display, units of 10 ms. */
export const PLAYOUT_DELAY = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay';
