import { packetCipher } from './cipher.ts';
import { SRTP_PACKET_MAX } from './hmac-sha1.ts';
import type { PacketCipher } from './packet-cipher.ts';
import { nearestIndex } from './packet-index.ts';
import type { SrtpKeys } from './profile.ts';
import { ReplayWindow } from './replay.ts';

export type SrtpJunk =
  | 'short'
  | 'oversize'
  | 'version'
  | 'replayed'
  | 'too-old'
  | 'forged'
  | 'unencrypted'
  | 'too-many-ssrcs';

export interface SrtpReceiverOptions {
  /** Replay window per SSRC, packets. */
  readonly window?: number;
  /** How many SSRCs are remembered, for RTP and again for RTCP; packets of more are junk. */
  readonly maxSsrcs?: number;
}

/** Opens RTP and RTCP of one direction: authenticates, refuses replays, follows the rollover counter of each SSRC. */
export class SrtpReceiver {
  readonly #rtp: PacketCipher;
  readonly #rtcp: PacketCipher;
  readonly #window: number;
  readonly #maxSsrcs: number;
  readonly #seen = new Map<number, ReplayWindow>();
  readonly #seenRtcp = new Map<number, ReplayWindow>();
  /** No Buffer: whoever keeps a payload copies it with slice(), which on a Buffer would copy nothing. */
  readonly #plain = new Uint8Array(SRTP_PACKET_MAX);

  constructor(keys: SrtpKeys, options: SrtpReceiverOptions = {}) {
    this.#rtp = packetCipher(keys, 'rtp');
    this.#rtcp = packetCipher(keys, 'rtcp');
    this.#window = options.window ?? 1024;
    this.#maxSsrcs = options.maxSsrcs ?? 64;
  }

  /** The plain RTP packet, borrowed until the next `open` of this receiver; or why it is junk. Never throws. */
  open(packet: Uint8Array): Uint8Array | SrtpJunk {
    const cipher = this.#rtp;
    const headerBytes = rtpHeaderBytes(packet);
    if (typeof headerBytes !== 'number') return headerBytes;
    if (headerBytes + cipher.tagBytes > packet.length) return 'short';
    if (packet.length > SRTP_PACKET_MAX) return 'oversize';
    const seq = (packet[2]! << 8) | packet[3]!;
    const ssrc = ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
    const known = this.#seen.get(ssrc);
    if (known === undefined && this.#seen.size >= this.#maxSsrcs) return 'too-many-ssrcs';
    const index = known === undefined ? seq : nearestIndex(known.highest, seq);
    if (index < 0) return 'too-old';
    const verdict = known?.check(index) ?? 'new';
    if (verdict !== 'new') return verdict;
    if (!cipher.open(packet, headerBytes, this.#plain, ssrc, Math.floor(index / 0x10000), seq))
      return 'forged';
    this.#accept(this.#seen, known, ssrc, index);
    return this.#plain.subarray(0, packet.length - cipher.tagBytes);
  }

  /** The plain RTCP compound, or why it is junk. Never throws. */
  openRtcp(packet: Uint8Array): Buffer | SrtpJunk {
    const cipher = this.#rtcp;
    const n = packet.length;
    if (n < 8 + 4 + cipher.tagBytes) return 'short';
    if (n > SRTP_PACKET_MAX) return 'oversize';
    if (packet[0]! >> 6 !== 2) return 'version';
    const view = new DataView(packet.buffer, packet.byteOffset, n);
    const ssrc = view.getUint32(4);
    const word = view.getUint32(n - cipher.wordFromEnd);
    // DTLS-SRTP and aRTP always encrypt; a clear packet is not one of the peer's.
    if (word < 0x80000000) return 'unencrypted';
    const index = word & 0x7fffffff;
    const known = this.#seenRtcp.get(ssrc);
    if (known === undefined && this.#seenRtcp.size >= this.#maxSsrcs) return 'too-many-ssrcs';
    const verdict = known?.check(index) ?? 'new';
    if (verdict !== 'new') return verdict;
    const plain = cipher.openRtcp(packet, ssrc, word);
    if (plain === undefined) return 'forged';
    this.#accept(this.#seenRtcp, known, ssrc, index);
    return plain;
  }

  /** Only authentic packets make or move a window: a stranger cannot fill the map. */
  #accept(
    seen: Map<number, ReplayWindow>,
    known: ReplayWindow | undefined,
    ssrc: number,
    index: number,
  ): void {
    const window = known ?? new ReplayWindow(this.#window);
    if (known === undefined) seen.set(ssrc, window);
    window.accept(index);
  }
}

/** Header with CSRCs and extension, bytes; RFC 3550 §5.1, §5.3.1. */
function rtpHeaderBytes(packet: Uint8Array): number | SrtpJunk {
  if (packet.length < 12) return 'short';
  const first = packet[0]!;
  if (first >> 6 !== 2) return 'version';
  const fixed = 12 + (first & 15) * 4;
  if ((first & 0x10) === 0) return fixed;
  if (fixed + 4 > packet.length) return 'short';
  return fixed + 4 + ((packet[fixed + 2]! << 8) | packet[fixed + 3]!) * 4;
}
