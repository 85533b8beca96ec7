import type { Clock, MediaPacket, Sink } from '../contract.ts';
import { SendSlots, type UdpSocket } from '../io/udp.ts';
import { AUDIO_TYPE, VIDEO_TYPE } from '../proto/artp/header.ts';
import { type Direction, directionKeys } from '../proto/artp/keys.ts';
import { MediaReceiver } from '../proto/artp/media-receiver.ts';
import { type FlowSender, type FlowStart, MAX_DATAGRAM, MediaSender } from '../proto/artp/media-sender.ts';
import { type PathMessage, PathReceiver, PathSender, TOKEN_BYTES } from '../proto/artp/path.ts';
import { TRAILER_BYTES } from '../proto/artp/trailer.ts';
import { isRtcp } from '../proto/rtp/rtp.ts';

/** More than this waiting in the socket: the network takes no more, and neither do we. */
const MAX_QUEUED = 1024;
const EPOCH = 0;

export interface MediaPathOptions {
  readonly clock: Clock;
  readonly socket: UdpSocket;
  readonly secret: Uint8Array;
  readonly sends: Direction;
  /** Ids in the trailers: theirs on what we send. */
  readonly theirConnection: Uint8Array;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
}

/** The datagrams of one session: sealed media both ways, and the challenges that find and keep the path. */
export class MediaPath {
  readonly #options: MediaPathOptions;
  readonly #sender: MediaSender;
  readonly #pathSender: PathSender;
  readonly #receiver: MediaReceiver;
  readonly #pathReceiver: PathReceiver;
  readonly #slots = new SendSlots(MAX_DATAGRAM + TRAILER_BYTES);
  /** Resolves when an address has answered our challenge for the first time: media goes there from now on. */
  readonly found: Promise<void>;
  #find: () => void = () => {};
  #address = '';
  #port = 0;
  /** The challenge under way. */
  #challenge: { token: Buffer; address: string; port: number; sentAt: number } | undefined;
  #rttMs: number | undefined;
  #unanswered = 0;

  constructor(options: MediaPathOptions) {
    const { secret, sends } = options;
    this.#options = options;
    this.found = new Promise(resolve => void (this.#find = resolve));
    const sendKeys = directionKeys(secret, sends, EPOCH);
    const receiveKeys = directionKeys(secret, sends === 'from-client' ? 'from-server' : 'from-client', EPOCH);
    this.#sender = new MediaSender(sendKeys, options.theirConnection);
    this.#pathSender = new PathSender(sendKeys);
    this.#receiver = new MediaReceiver(receiveKeys, options.count);
    this.#pathReceiver = new PathReceiver(receiveKeys);
  }

  /** Of the last answered challenge. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Challenges sent since the last answer. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** A track to be sent. `announce` must reach the other side by the control stream. */
  flow(audio: boolean, announce: (start: FlowStart) => void): FlowSender {
    return this.#sender.flow(audio ? AUDIO_TYPE : VIDEO_TYPE, announce);
  }

  /** One packet of a flow of this path. */
  send(flow: FlowSender, p: MediaPacket): void {
    const { socket, count } = this.#options;
    if (this.#port === 0) return count('no-path');
    const queued = socket.queued();
    if (queued > MAX_QUEUED) return count('send-queue-full');
    const out = this.#slots.take(queued);
    const length = flow.seal(p, out);
    if (typeof length === 'string') return count(length);
    this.#transmit(out, length, this.#address, this.#port);
  }

  bind(start: FlowStart, sink: Sink<MediaPacket>): void {
    this.#receiver.bind(start, sink, this.#options.clock.now());
  }
  unbind(ssrc: number): void {
    this.#receiver.unbind(ssrc);
  }
  tick(): void {
    this.#receiver.tick(this.#options.clock.now());
  }

  /** A datagram of this session, without its trailer. */
  receive(packet: Uint8Array, address: string, port: number, now: number): void {
    if (!isRtcp(packet)) return this.#receiver.receive(packet, now);
    const m = this.#pathReceiver.open(packet);
    if (typeof m === 'string') return this.#options.count(m);
    if (m.type === 'challenge') this.#answer(m, address, port);
    else this.#answered(m, address, port, now);
  }

  /** Asks whether datagrams reach `address` and come back. */
  challenge(address: string, port: number): void {
    const { clock, random } = this.#options;
    const token = random(TOKEN_BYTES);
    this.#unanswered++;
    this.#challenge = { token, address, port, sentAt: clock.now() };
    this.#sendPath({ type: 'challenge', token }, address, port);
  }

  /** The same address again: keeps NATs open, finds a path that broke, measures. */
  probe(): void {
    if (this.#port !== 0) this.challenge(this.#address, this.#port);
  }

  /**
   * The room node follows its agents: an address it does not send to yet is challenged in turn, which makes twice the
   * bytes that came from there, and only its answer moves the media. A replayed datagram moves nothing.
   */
  #answer(m: PathMessage, address: string, port: number): void {
    this.#sendPath({ type: 'response', token: m.token }, address, port);
    const elsewhere = address !== this.#address || port !== this.#port;
    if (elsewhere && this.#options.sends === 'from-server') this.challenge(address, port);
  }

  #answered(m: PathMessage, address: string, port: number, now: number): void {
    const c = this.#challenge;
    if (c === undefined || !c.token.equals(m.token)) return this.#options.count('unasked-response');
    if (c.address !== address || c.port !== port) return this.#options.count('response-from-elsewhere');
    this.#challenge = undefined;
    this.#unanswered = 0;
    this.#rttMs = now - c.sentAt;
    this.#address = address;
    this.#port = port;
    this.#find();
  }

  #sendPath(m: PathMessage, address: string, port: number): void {
    const out = this.#slots.take(this.#options.socket.queued());
    const sealed = this.#pathSender.seal(m);
    out.set(sealed);
    this.#transmit(out, sealed.length, address, port);
  }

  #transmit(out: Buffer, sealedBytes: number, address: string, port: number): void {
    const { socket, clock } = this.#options;
    const length = this.#sender.trailer(out, sealedBytes, clock.now());
    socket.send(out, length, port, address);
  }
}
