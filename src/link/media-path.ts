import type { Clock, Format, MediaPacket, Sink } from '../contract.ts';
import { Alarm } from '../io/alarm.ts';
import { SendSlots, type UdpSocket } from '../io/udp.ts';
import { MAX_DATAGRAM } from '../proto/artp/header.ts';
import type { Announcement, HoldLimits, InTrack, OutTrack } from '../proto/artp/media/types.ts';
import { Session } from '../proto/artp/session/session.ts';
import { type Route, SESSION_TIMES, type SessionTimes } from '../proto/artp/session/types.ts';
import { TRAILER_BYTES } from '../proto/artp/trailer.ts';
import { isVideo } from './formats.ts';

/** More than this waiting in the socket: the network takes no more, and neither do we. */
const MAX_QUEUED = 1024;
/** All tracks of a link begin new flows at once when its keys change. */
const HOLD: HoldLimits = { packets: 8192, bytes: 8 * 1024 * 1024, ms: 1000 };
/** Whether a silent link lives is judged by `silentTicks`: whoever was asleep himself must not call his peers dead. */
const TIMES: SessionTimes = {
  ...SESSION_TIMES,
  idleKeepAliveMs: SESSION_TIMES.keepAliveMs,
  udpAgainMs: 2000,
  detachMs: Number.POSITIVE_INFINITY,
  keepMs: Number.POSITIVE_INFINITY,
};
/** What redundancy may cost, ms of playout delay. */
const BUDGET_MS = 100;

/** Of a flow, told on the control stream: which medium, and what its numbers stand for. */
export type FlowStart = Omit<Announcement, 'track'>;

export interface MediaPathOptions {
  readonly clock: Clock;
  readonly socket: UdpSocket;
  readonly secret: Uint8Array;
  readonly side: 'client' | 'server';
  /** Ids in the trailers: ours on what they send. */
  readonly connection: Uint8Array;
  readonly theirConnection: Uint8Array;
  readonly random: (bytes: number) => Buffer;
  readonly count: (reason: string) => void;
}

/** The datagrams of one link: a session (`proto/artp/session`) whose flows are announced on the control stream. */
export class MediaPath {
  readonly #clock: Clock;
  readonly #socket: UdpSocket;
  readonly #count: (reason: string) => void;
  readonly #session: Session;
  readonly #slots = new SendSlots(MAX_DATAGRAM + TRAILER_BYTES);
  /** By the number of the track in the session: who announces its flows. */
  readonly #announcers = new Map<number, (start: FlowStart) => void>();
  /** By SSRC. */
  readonly #heard = new Map<number, InTrack>();
  /** Resolves when an address has answered our challenge for the first time: media goes there from now on. */
  readonly found: Promise<void>;
  #find: () => void = () => {};
  #isFound = false;
  #silentTicks = 0;
  #tracks = 0;
  /** Of the datagram before: most come from where it did. */
  #from: Route = { kind: 'udp', address: '', port: 0 };
  readonly #alarm: Alarm;
  #closed = false;

  constructor(o: MediaPathOptions) {
    const { clock, socket, count } = o;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, now => this.#ring(now));
    this.#socket = socket;
    this.#count = count;
    this.found = new Promise(resolve => void (this.#find = resolve));
    this.#session = new Session({
      ...o,
      suite: 'aes-128-gcm',
      ours: o.connection,
      theirs: o.theirConnection,
      times: TIMES,
      budgetMs: BUDGET_MS,
      now: clock.now(),
      transmit: (bytes, length, route) => this.#transmit(bytes, length, route),
      inside: { announce: ({ track, ...start }) => this.#announcers.get(track)?.(start), hold: HOLD },
    });
    this.#turn();
  }

  /** Of the path in use. */
  get rttMs(): number | undefined {
    return this.#session.stats().rttMs;
  }

  /** Calls of `tick` for which no path has answered, once one had. */
  get silentTicks(): number {
    return this.#silentTicks;
  }

  /** Whether datagrams by that way come back. */
  answers(route: Route): boolean {
    const { address, port } = route;
    return this.#session
      .paths()
      .some(p => p.route.address === address && p.route.port === port && p.state === 'ready');
  }

  /** About once a second. */
  tick(): void {
    if (this.#session.paths().some(p => p.state === 'ready')) this.#silentTicks = 0;
    else if (this.#isFound) this.#silentTicks++;
  }

  /** A way to the other side that is to be tried; the room node learns ways by itself. */
  addRoute(route: Route): void {
    this.#session.addRoute(route, this.#clock.now());
    this.#turn();
  }
  dropRoute(route: Route): void {
    this.#session.dropRoute(route, this.#clock.now());
    this.#turn();
  }

  /** A track to be sent. `announce` must reach the other side by the control stream. */
  flow(format: Format, announce: (start: FlowStart) => void): LinkFlow {
    const open = (f: Format): [number, OutTrack] => {
      const track = ++this.#tracks;
      this.#announcers.set(track, announce);
      return [track, this.#session.send(track, isVideo(f) ? 'video' : 'audio', f.clockRate, () => {})];
    };
    return new LinkFlow(format, open, track => void this.#announcers.delete(track));
  }

  /** One packet of a flow of this path. */
  send(flow: LinkFlow, p: MediaPacket): void {
    if (this.#closed) return;
    if (this.#socket.queued() > MAX_QUEUED) return this.#count('send-queue-full');
    flow.sink(p, this.#clock.now());
    this.#alarm.set(this.#session.deadline);
  }

  /** The other side announced a flow: what came of it, and comes, is for `sink`. */
  bind(start: FlowStart, sink: Sink<MediaPacket>): void {
    const { ssrc } = start;
    if (this.#closed || this.#heard.has(ssrc)) return;
    this.#heard.set(ssrc, this.#session.hear(ssrc, sink));
    this.#session.announced({ ...start, track: ssrc }, this.#clock.now());
    this.#turn();
  }
  unbind(ssrc: number): void {
    this.#heard.get(ssrc)?.close();
    this.#heard.delete(ssrc);
  }

  /** A whole datagram that names this link. What a sink throws, this throws. */
  receive(datagram: Uint8Array, address: string, port: number, now: number): void {
    if (this.#closed) return;
    if (port !== this.#from.port || address !== this.#from.address)
      this.#from = { kind: 'udp', address, port };
    this.#session.receive(datagram, this.#from, now);
    this.#turn();
  }

  /** Disarms its timer, and is silent. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
  }

  #transmit(bytes: Uint8Array, length: number, route: Route): void {
    const out = this.#slots.take(this.#socket.queued());
    out.set(length < bytes.length ? bytes.subarray(0, length) : bytes);
    this.#socket.send(out, length, route.port, route.address);
  }

  #turn(): void {
    for (let e = this.#session.poll(); e !== undefined; e = this.#session.poll())
      if (e.type === 'state' && e.state === 'active') {
        this.#isFound = true;
        this.#find();
      }
    this.#alarm.set(this.#session.deadline);
  }

  #ring(now: number): void {
    if (now >= this.#session.deadline) this.#session.tick(now);
    this.#turn();
  }
}

/** One track on its way to the other side. */
export class LinkFlow {
  readonly #open: (format: Format) => [number, OutTrack];
  readonly #forget: (track: number) => void;
  #track: number;
  #out: OutTrack;
  /** Borrowed until `renew`. */
  sink: Sink<MediaPacket>;

  constructor(format: Format, open: (format: Format) => [number, OutTrack], forget: (track: number) => void) {
    this.#open = open;
    this.#forget = forget;
    [this.#track, this.#out] = open(format);
    this.sink = this.#out.sink;
  }

  /** The track goes on in another format: told apart from what is still under way. */
  renew(format: Format): void {
    this.close();
    [this.#track, this.#out] = this.#open(format);
    this.sink = this.#out.sink;
  }

  close(): void {
    this.#out.close();
    this.#forget(this.#track);
  }
}
