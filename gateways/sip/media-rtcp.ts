import type { UdpPair } from '../../src/io/udp.ts';
import { type Endpoint, Latch } from '../../src/proto/rtp/latch.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';
import type { Targets } from '../../src/proto/sdp/section.ts';

/** Where a leg's RTCP comes from and goes to: on the RTP port when that was agreed (RFC 5761), else on its own. */
export class RtcpSide {
  readonly #session: RtpSession;
  /** Of RTP. */
  readonly #media: Latch;
  readonly #own: Latch;
  #agreed: Targets | undefined;
  constructor(session: RtpSession, media: Latch, signalling: string | undefined) {
    this.#session = session;
    this.#media = media;
    this.#own = new Latch(signalling);
  }

  agreed(to: Targets, now: number): void {
    this.#agreed = to;
    this.#own.signal(to.remoteRtcp, now);
  }

  /** May speak on the RTCP port, as far as addresses tell. */
  accept(address: string, port: number, now: number): boolean {
    return this.#own.accept(address, port, now);
  }

  /** What a datagram says, or why it is dropped; `proven`: its keys tell that it is the peer's. Some peers mux without having asked: the port does not matter. */
  received(bytes: Buffer, address: string, port: number, now: number, proven: boolean): Rtcp[] | string {
    const from = this.#media.latched?.address ?? address;
    const beside = address === from || address === this.#agreed?.remoteRtcp?.address;
    const latch = this.#agreed?.mux === true ? this.#media : this.#own;
    if (proven) latch.prove(address, port);
    else if (!beside || !latch.accept(address, port, now)) return 'rtcp-not-from-peer';
    const packets = this.#session.rtcp(bytes, now);
    return typeof packets === 'string' ? `rtcp-${packets}` : packets;
  }

  send(bytes: Buffer, pair: UdpPair): void {
    const mux = this.#agreed?.mux === true;
    const to = mux ? this.#media.target : this.#target();
    if (to !== undefined) (mux ? pair.rtp : pair.rtcp).send(bytes, bytes.length, to.port, to.address);
  }

  /** Behind a NAT the signalled address is of no use until RTCP has come: beside the RTP, then. */
  #target(): Endpoint | undefined {
    const rtp = this.#media.latched;
    if (this.#own.latched !== undefined || rtp === undefined || rtp.address === this.#agreed?.remote?.address)
      return this.#own.target;
    return { address: rtp.address, port: rtp.port + 1 };
  }
}
