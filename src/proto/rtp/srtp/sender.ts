import { packetCipher } from './cipher.ts';
import { SRTP_PACKET_MAX } from './hmac-sha1.ts';
import type { PacketCipher } from './packet-cipher.ts';
import { nearestIndex } from './packet-index.ts';
import type { SrtpKeys } from './profile.ts';

/** Seals RTP and RTCP of one direction. Knows the rollover counter of every SSRC it has sent. */
export class SrtpSender {
  readonly #rtp: PacketCipher;
  readonly #rtcp: PacketCipher;
  /** Highest packet index (ROC · 65536 + sequence) by SSRC. */
  readonly #highest = new Map<number, number>();
  #rtcpIndex = 0;

  constructor(keys: SrtpKeys) {
    this.#rtp = packetCipher(keys, 'rtp');
    this.#rtcp = packetCipher(keys, 'rtcp');
  }

  /** Some SSRC has come to the end of its sequence numbers: its rollover counter is above 0. */
  get rolledOver(): boolean {
    return [...this.#highest.values()].some(index => index >= 0x10000);
  }

  /** Bytes sealing adds to an RTP packet. */
  get tagBytes(): number {
    return this.#rtp.tagBytes;
  }

  /**
   * `out` starts with the RTP header (`headerBytes` with CSRCs and extensions, a multiple of 4); ciphertext and tag
   * are written behind it. Returns the length of the packet. The same sequence number must only ever come again with
   * the same header and payload (a retransmission): another packet under the same nonce breaks GCM.
   * Throws RangeError beyond SRTP_PACKET_MAX or when `out` is too small: a bug of the caller.
   */
  seal(out: Uint8Array, headerBytes: number, payload: Uint8Array): number {
    const total = headerBytes + payload.length + this.#rtp.tagBytes;
    if (total > SRTP_PACKET_MAX || total > out.length)
      throw new RangeError(`an SRTP packet of ${total} bytes does not fit`);
    const seq = (out[2]! << 8) | out[3]!;
    const ssrc = ((out[8]! << 24) | (out[9]! << 16) | (out[10]! << 8) | out[11]!) >>> 0;
    const index = this.#index(ssrc, seq);
    return this.#rtp.seal(out, headerBytes, payload, ssrc, Math.floor(index / 0x10000), seq);
  }

  /** A whole RTCP compound in, the whole SRTCP packet out. */
  sealRtcp(packet: Uint8Array): Buffer {
    if (packet.length < 8 || packet.length > SRTP_PACKET_MAX)
      throw new RangeError(`an RTCP packet of ${packet.length} bytes does not fit`);
    // RFC 3711 §3.4: the index is incremented by one after each SRTCP packet.
    this.#rtcpIndex = (this.#rtcpIndex + 1) & 0x7fffffff;
    const ssrc = ((packet[4]! << 24) | (packet[5]! << 16) | (packet[6]! << 8) | packet[7]!) >>> 0;
    return this.#rtcp.sealRtcp(packet, ssrc, (0x80000000 | this.#rtcpIndex) >>> 0);
  }

  #index(ssrc: number, seq: number): number {
    const highest = this.#highest.get(ssrc);
    if (highest === undefined) {
      this.#highest.set(ssrc, seq);
      return seq;
    }
    const index = nearestIndex(highest, seq);
    if (index < 0) return seq; // older than the first packet ever sent: cannot be, but never a negative ROC
    if (index > highest) this.#highest.set(ssrc, index);
    return index;
  }
}
