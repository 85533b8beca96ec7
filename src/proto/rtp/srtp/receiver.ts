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
  | 'mki'
  | 'too-many-ssrcs';

export interface SrtpReceiverOptions {
  /** Replay window per SSRC, packets. */
  readonly window?: number;
  /** How many SSRCs are remembered, for RTP and again for RTCP; packets of more are junk. */
  readonly maxSsrcs?: number;
  /** The peer puts this master key identifier into each packet (RFC 3711 §3.1); packets with another are junk. */
  readonly mki?: Uint8Array;
  /** `counters` of the receiver before a change of keys. */
  readonly counters?: ReadonlyMap<number, number>;
}

const NO_MKI = new Uint8Array(0);

/** Opens RTP and RTCP of one direction: authenticates, refuses replays, follows the rollover counter of each SSRC. */
export class SrtpReceiver {
  readonly #rtp: PacketCipher;
  readonly #rtcp: PacketCipher;
  readonly #window: number;
  readonly #maxSsrcs: number;
  readonly #mki: Uint8Array;
  readonly #before: ReadonlyMap<number, number> | undefined;
  readonly #seen = new Map<number, ReplayWindow>();
  readonly #seenRtcp = new Map<number, ReplayWindow>();
  /** No Buffer: whoever keeps a payload copies it with slice(), which on a Buffer would copy nothing. */
  readonly #plain = new Uint8Array(SRTP_PACKET_MAX);

  constructor(keys: SrtpKeys, options: SrtpReceiverOptions = {}) {
    this.#rtp = packetCipher(keys, 'rtp');
    this.#rtcp = packetCipher(keys, 'rtcp');
    this.#window = options.window ?? 1024;
    this.#maxSsrcs = options.maxSsrcs ?? 64;
    this.#mki = options.mki ?? NO_MKI;
    this.#before = options.counters;
  }

  /** The highest packet index (ROC · 65536 + sequence) by SSRC. */
  get counters(): ReadonlyMap<number, number> {
    return new Map([...this.#seen].map(([ssrc, window]) => [ssrc, window.highest]));
  }

  /** The plain RTP packet, borrowed until the next `open` of this receiver; or why it is junk. Never throws. */
  open(sealed: Uint8Array): Uint8Array | SrtpJunk {
    const cipher = this.#rtp;
    const packet = this.#mki.length === 0 ? sealed : this.#withoutMki(sealed, cipher.trailerBytes);
    if (packet === undefined) return 'mki';
    const headerBytes = rtpHeaderBytes(packet);
    if (typeof headerBytes !== 'number') return headerBytes;
    if (headerBytes + cipher.tagBytes > packet.length) return 'short';
    if (packet.length > SRTP_PACKET_MAX) return 'oversize';
    const seq = (packet[2]! << 8) | packet[3]!;
    const ssrc = ((packet[8]! << 24) | (packet[9]! << 16) | (packet[10]! << 8) | packet[11]!) >>> 0;
    const known = this.#seen.get(ssrc);
    if (known === undefined && this.#seen.size >= this.#maxSsrcs) return 'too-many-ssrcs';
    let index = known === undefined ? seq : nearestIndex(known.highest, seq);
    if (index < 0) return 'too-old';
    const verdict = known?.check(index) ?? 'new';
    if (verdict !== 'new') return verdict;
    if (!cipher.open(packet, headerBytes, this.#plain, ssrc, Math.floor(index / 0x10000), seq)) {
      const kept = known === undefined ? this.#kept(ssrc, seq) : undefined;
      if (kept === undefined) return 'forged';
      if (!cipher.open(packet, headerBytes, this.#plain, ssrc, Math.floor(kept / 0x10000), seq))
        return 'forged';
      index = kept;
    }
    this.#accept(this.#seen, known, ssrc, index);
    return this.#plain.subarray(0, packet.length - cipher.tagBytes);
  }

  /** The plain RTCP compound, or why it is junk. Never throws. */
  openRtcp(sealed: Uint8Array): Buffer | SrtpJunk {
    const cipher = this.#rtcp;
    const packet = this.#mki.length === 0 ? sealed : this.#withoutMki(sealed, cipher.trailerBytes);
    if (packet === undefined) return 'mki';
    const n = packet.length;
    if (n < 8 + 4 + cipher.tagBytes) return 'short';
    if (n > SRTP_PACKET_MAX) return 'oversize';
    if (packet[0]! >> 6 !== 2) return 'version';
    const view = new DataView(packet.buffer, packet.byteOffset, n);
    const ssrc = view.getUint32(4);
    const word = view.getUint32(n - cipher.wordFromEnd);
    // All who speak to us encrypt RTCP; a clear packet is not one of the peer's.
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

  /** RFC 3711 §3.3.1: under new keys the rollover counter goes on. Many begin anew instead, which is tried first. */
  #kept(ssrc: number, seq: number): number | undefined {
    const highest = this.#before?.get(ssrc);
    const index = highest === undefined ? 0 : nearestIndex(highest, seq);
    return index >= 0x10000 ? index : undefined;
  }

  /** The MKI is not part of what the tag covers (RFC 3711 §3.1): the packet without it, undefined when it is another. */
  #withoutMki(sealed: Uint8Array, trailerBytes: number): Uint8Array | undefined {
    const mki = this.#mki;
    const at = sealed.length - trailerBytes - mki.length;
    if (at < 0 || !mki.every((byte, i) => sealed[at + i] === byte)) return undefined;
    const packet = new Uint8Array(at + trailerBytes);
    packet.set(sealed.subarray(0, at));
    packet.set(sealed.subarray(at + mki.length), at);
    return packet;
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
