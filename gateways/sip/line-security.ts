/** The protection of one line: one channel for both RTP and RTCP, or, with DTLS on two ports, one for each. */
import type { Millis, StreamStats } from '../../src/contract.ts';
import { SendSlots } from '../../src/io/udp.ts';
import { RTP_HEADER_BYTES } from '../../src/proto/rtp/rtp.ts';
import { type Keying, PLAIN } from '../../src/proto/sdp/keying.ts';
import { type ChannelOptions, SecureChannel } from './secure-channel.ts';

export type Port = 'rtp' | 'rtcp';

export interface SecurityOptions extends Omit<ChannelOptions, 'send'> {
  readonly send: (bytes: Buffer, port: Port) => void;
}

/** The longest packet a line sends, with its tag. */
const SLOT_BYTES = 2048;

export class LineSecurity {
  readonly #channels: Readonly<Record<Port, SecureChannel>>;
  #slots: SendSlots | undefined;
  #keying: Keying = PLAIN;
  /** RFC 5764 §3: without mux each port has an association of its own. */
  #apart = false;

  constructor(o: SecurityOptions) {
    const send = (port: Port) => (bytes: Buffer) => o.send(bytes, port);
    this.#channels = {
      rtp: new SecureChannel({ ...o, send: send('rtp') }),
      // Reports that cannot be had end no call.
      rtcp: new SecureChannel({ ...o, send: send('rtcp'), failed: () => o.count('dtls-rtcp-failed') }),
    };
  }

  get type(): NonNullable<StreamStats['security']> {
    return this.#keying.type;
  }

  get plain(): boolean {
    return this.#keying.type === 'none';
  }

  /** Media may go out. */
  get ready(): boolean {
    return this.plain || this.#channels.rtp.ready;
  }

  get deadline(): Millis {
    return Math.min(this.#channels.rtp.deadline, this.#channels.rtcp.deadline);
  }

  agreed(keying: Keying, mux: boolean, reachable: boolean, now: Millis): void {
    this.#keying = keying;
    this.#apart = keying.type === 'dtls' && !mux;
    this.#channels.rtp.agreed(keying, reachable, now);
    this.#channels.rtcp.agreed(this.#apart ? keying : PLAIN, reachable, now);
  }

  /** The first `length` bytes as a sealed packet, in a slot that is free until `queued` is 0 again; undefined: none. */
  seal(bytes: Uint8Array, length: number, queued: number): Uint8Array | undefined {
    const out = (this.#slots ??= new SendSlots(SLOT_BYTES)).take(queued);
    const sealed = this.#channels.rtp.seal(bytes, length, RTP_HEADER_BYTES, out);
    return sealed === 0 ? undefined : out.subarray(0, sealed);
  }

  sealRtcp(bytes: Buffer): Buffer | undefined {
    return this.plain ? bytes : this.#channel('rtcp').sealRtcp(bytes);
  }

  open(bytes: Uint8Array, now: Millis): Uint8Array | string {
    return this.#channels.rtp.open(bytes, now);
  }

  openRtcp(bytes: Buffer, port: Port, now: Millis): Buffer | string {
    return this.#channel(port).openRtcp(bytes, now);
  }

  dtls(bytes: Buffer, port: Port, now: Millis): void {
    this.#channel(port).datagram(bytes, now);
  }

  tick(now: Millis): void {
    this.#channels.rtp.tick(now);
    this.#channels.rtcp.tick(now);
  }

  close(now: Millis): void {
    this.#channels.rtp.close(now);
    this.#channels.rtcp.close(now);
  }

  #channel(port: Port): SecureChannel {
    return this.#channels[this.#apart ? port : 'rtp'];
  }
}
