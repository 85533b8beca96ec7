import type { Feedback, Json, MediaPacket, Millis, Sink, Termination } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import { type Rtcp, readRtcp } from '../../rtp/rtcp.ts';
import { isRtcp } from '../../rtp/rtp.ts';
import { MediaPlane } from '../media/plane.ts';
import type { Announcement, InTrack, MediaKind, OutTrack, Spread } from '../media/types.ts';
import { isConnection, TrailerView } from '../trailer.ts';
import { ControlLine } from './control-line.ts';
import { ControlOpener } from './control-seal.ts';
import type { Farewell } from './farewell.ts';
import { Incoming, isAsking } from './incoming.ts';
import { Keys } from './key-ring.ts';
import { Life } from './life.ts';
import { MessageSender } from './messages.ts';
import { Paced } from './paced.ts';
import type { Path } from './path.ts';
import { Paths, type Traffic } from './paths.ts';
import { Policies } from './policies.ts';
import { Probes } from './probes.ts';
import { Recorders } from './recorders.ts';
import { isReset, showsToken } from './reset.ts';
import type { PathReport, Route, SessionEvent, SessionOptions, SessionState, SessionStats } from './types.ts';

/** While media flows everything is looked at this often. */
const BEAT_MS = 50;
/** No acknowledgement for this long beyond two round trips. */
const UNHEARD_MS = 150;
/** Media that came or went so lately makes a session busy. */
const BUSY_MS = 2000;
/** Keys are changed long before their numbers run out, and after this time whatever was sent. */
const EPOCH_MS = 3_600_000;
/** Of a route the server learned behind a router: the router's name is the client's business. */
const RELAYED = 'router';
/** A round trip nobody has measured yet. */
const UNKNOWN_RTT_MS = 100;

/**
 * One end of an aRTP session: sans-I/O. Datagrams and time go in, datagrams go out by `transmit`, decisions by `poll`.
 * After every call of another method: `poll` until it returns undefined, and `tick` at `deadline`.
 */
export class Session {
  readonly #o: SessionOptions;
  readonly #keys: Keys;
  readonly #opener: ControlOpener;
  readonly #line: ControlLine;
  readonly #plane: MediaPlane;
  readonly #paced: Paced;
  readonly #policies: Policies;
  readonly #paths: Paths;
  readonly #recorders: Recorders;
  readonly #probes: Probes;
  readonly #incoming: Incoming;
  readonly #life: Life;
  readonly #messagesOut = new MessageSender();
  readonly #trailer = new TrailerView();
  readonly #traffic: { -readonly [K in keyof Traffic]: Traffic[K] } = { state: 'opening', busy: false };
  #wakeAt: Millis;
  #mediaAt: Millis = Number.NEGATIVE_INFINITY;
  #rekeyAt: Millis;
  #sentPackets = 0;
  #sentBytes = 0;
  #heardPackets = 0;
  #heardBytes = 0;

  constructor(o: SessionOptions) {
    this.#o = o;
    const direction = o.side === 'client' ? 'from-client' : 'from-server';
    this.#keys = new Keys({ ...o, direction });
    this.#opener = new ControlOpener(this.#keys);
    this.#line = new ControlLine(this.#keys, o.count, (bytes, length, path, now) =>
      this.#transmit(bytes, length, path, true, now),
    );
    this.#paced = new Paced((bytes, length, spread, now) => this.#media(bytes, length, spread, now), o.count);
    const { inside } = o;
    this.#plane = new MediaPlane({
      keys: this.#keys,
      budgetMs: o.budgetMs,
      count: o.count,
      ...(inside && { hold: inside.hold }),
      transmit: inside
        ? (bytes, length, spread, now) => this.#media(bytes, length, spread, now)
        : (bytes, length, spread, now) => this.#paced.send(bytes, length, spread, now),
      announce: inside?.announce ?? ((a, now) => this.#sayWhole({ ...a }, true, now)),
      feedback: (parts, now) => {
        this.#line.add(parts);
        this.#soon(now);
      },
    });
    this.#policies = new Policies(this.#plane, o.budgetMs, inside !== undefined);
    this.#paths = new Paths({
      ...o,
      challenge: (path, now) => this.#challenge(path, now),
      known: (route, on) => this.#life.tell({ type: 'route', route, on }),
    });
    this.#recorders = new Recorders(o.count);
    this.#probes = new Probes({ ...o, keys: this.#keys, line: this.#line });
    this.#life = new Life(o.times, o.side === 'server' ? 'client' : 'upstream', o.now);
    this.#incoming = new Incoming({
      ...o,
      keys: this.#keys,
      paths: this.#paths,
      probes: this.#probes,
      life: this.#life,
      plane: this.#plane,
      messagesOut: this.#messagesOut,
      traffic: this.#traffic,
    });
    this.#wakeAt = this.#life.deadline;
    this.#rekeyAt = o.now + EPOCH_MS;
  }

  get state(): SessionState {
    return this.#life.state;
  }
  /** When to call `tick` next. */
  get deadline(): Millis {
    return this.#life.hasEnded ? NEVER : Math.min(this.#wakeAt, this.#plane.deadline, this.#paced.deadline);
  }

  poll(): SessionEvent | undefined {
    return this.#life.nextEvent();
  }

  /** A socket was opened, or reaches them from another address of ours now. The server learns routes by itself. */
  addRoute(route: Route, now: Millis): void {
    if (this.state === 'gone') return;
    const known = this.#paths.find(route);
    if (known !== undefined) this.#paths.drop(known);
    if (this.#paths.add(route, 'new', now) === undefined) this.#o.count('too-many-routes');
    this.#pulse(now);
  }
  /** A socket was closed. */
  dropRoute(route: Route, now: Millis): void {
    const path = this.#paths.find(route);
    if (path === undefined) return;
    this.#paths.drop(path);
    this.#pulse(now);
  }

  /** Is anybody there? Every way is asked now, and again until there is an answer. */
  ask(now: Millis): void {
    if (this.state === 'gone') return;
    this.#paths.probeAll(now);
    this.#pulse(now);
  }

  /** A track of ours, by a number of our choice, for `hear` on the other side. `on`: what its receiver asks for. */
  send(track: number, kind: MediaKind, clockRate: number, on: (f: Feedback) => void): OutTrack {
    if (kind === 'audio' || this.#o.inside !== undefined) return this.#plane.send(track, kind, clockRate, on);
    const limit = this.#policies.camera(on);
    const out = this.#plane.send(track, kind, clockRate, f => limit.asked(f));
    return {
      sink: out.sink,
      renew: () => out.renew(),
      close: () => {
        this.#policies.forget(limit);
        out.close();
      },
      get stats() {
        return out.stats;
      },
    };
  }
  /** Their track of that number. */
  hear(track: number, sink: Sink<MediaPacket>): InTrack {
    return this.#plane.hear(track, sink);
  }

  /** What the other side's `inside.announce` was told. */
  announced(a: Announcement, now: Millis): void {
    this.#plane.announced(a, now);
  }

  /** Reliable and in order; at most 32 KB each (RangeError), and the session ends when 512 KB wait. */
  say(message: Json, now: Millis): void {
    this.#sayWhole(message, false, now);
  }

  /** Seals under new keys from now on, or as soon as the other side has shown that it follows. */
  rekey(now: Millis): void {
    this.#rekeyAt = now;
    this.#pulse(now);
  }

  /** The other side is told; `ended` follows when it has heard, or after a second. Idempotent. */
  close(why: Termination, now: Millis): void {
    if (this.state === 'gone') return;
    this.#life.depart(why, now);
    this.#pulse(now);
  }

  /** A whole datagram with its trailer. Junk is counted, never thrown. */
  receive(datagram: Uint8Array, route: Route, now: Millis): void {
    if (this.#life.hasEnded) return this.#o.count('session-ended');
    const trailer = this.#trailer;
    const junk = trailer.read(datagram);
    if (junk !== undefined) return this.#o.count(junk);
    const path = this.#paths.find(route);
    if (path === undefined && this.#o.side === 'client') return this.#o.count('unknown-route');
    if (trailer.hasConnection && !isConnection(datagram, trailer.start, this.#o.ours))
      return this.#o.count('foreign-connection');
    if (!trailer.hasConnection && path === undefined) return this.#o.count('unknown-route');
    const packet = datagram.subarray(0, trailer.start);
    if (isRtcp(packet)) return this.#control(packet, datagram.length, path, route, now);
    if (this.state === 'gone') return;
    const verdict = this.#plane.receive(packet, now);
    if (verdict === 'junk') return;
    // Somebody may have only copied it: its trailer is believed where we hear the other side anyway.
    if (verdict === 'known' && path === undefined) return this.#o.count('replayed');
    this.#recorders.note(trailer, true, now);
    if (verdict === 'known') return;
    this.#mediaAt = now;
    this.#heard(path, datagram.length, now);
    if (this.#wakeAt > now + BEAT_MS) this.#wakeAt = now + BEAT_MS;
  }

  tick(now: Millis): void {
    if (this.#life.hasEnded) return;
    if (now >= this.#plane.deadline) this.#plane.tick(now);
    if (now >= this.#paced.deadline) this.#paced.tick(now);
    if (now >= this.#wakeAt) this.#pulse(now);
  }

  paths(): PathReport[] {
    const { active } = this.#paths;
    return this.#paths.all.map(p => ({
      route: p.route,
      state: p.state,
      active: p === active,
      rttMs: p.rttMs,
      loss: p.loss,
      rateBps: p.meter.rateBps,
    }));
  }

  stats(): SessionStats {
    return {
      state: this.state,
      rttMs: this.#paths.active?.rttMs,
      sentPackets: this.#sentPackets,
      sentBytes: this.#sentBytes,
      heardPackets: this.#heardPackets,
      heardBytes: this.#heardBytes,
      sendEpoch: this.#keys.sendEpoch,
      unsaidBytes: this.#messagesOut.bytes,
    };
  }

  // ---- what comes

  #heard(path: Path | undefined, bytes: number, now: Millis): void {
    this.#heardPackets++;
    this.#heardBytes += bytes;
    if (path !== undefined) {
      path.heard(bytes, now);
      path.isRouted = this.#trailer.hops > 0;
      this.#paths.heard(path, now);
    }
    if (this.#life.heard(this.state !== 'opening' || this.#paths.anyReady, now)) this.#pulse(now);
  }

  #control(packet: Uint8Array, bytes: number, known: Path | undefined, route: Route, now: Millis): void {
    if (isReset(packet)) return this.#reset(packet, now);
    const opened = this.#opener.open(packet, now);
    // The same compound goes over two paths; the second is no news, but its path is not to look as if it had lost it.
    if (opened === 'replayed' && known !== undefined) this.#recorders.note(this.#trailer, false, now);
    if (typeof opened === 'string') return this.#o.count(opened);
    const parts = readRtcp(opened.plain);
    if (typeof parts === 'string') return this.#o.count(parts);
    const path = known ?? this.#learn(route, opened.newest, now);
    this.#recorders.note(this.#trailer, this.#elicits(parts), now);
    this.#heard(path, bytes, now);
    this.#incoming.take(parts, path, opened.newest, now);
    this.#pulse(now);
  }

  /** An idle session wants no reports: two ends would be kept busy by their own probes. */
  #elicits(parts: readonly Rtcp[]): boolean {
    return this.#traffic.busy && parts.some(isAsking);
  }

  /** A new address: only what nothing else overtook may show it, so a copy sent from elsewhere shows nothing. */
  #learn(route: Route, newest: boolean, now: Millis): Path | undefined {
    if (!newest || this.state === 'gone') return undefined;
    // A stream's address was proven when it was opened.
    const relayed = this.#trailer.hops > 0 ? { ...route, via: RELAYED } : route;
    const path = this.#paths.add(relayed, route.kind === 'stream' ? 'ready' : 'new', now);
    if (path === undefined) this.#o.count('too-many-routes');
    return path;
  }

  #reset(packet: Uint8Array, now: Millis): void {
    const { reset } = this.#o;
    if (reset === undefined || !showsToken(packet, reset)) return this.#o.count('forged-reset');
    const text =
      'The other side does not know this aRTP session any more: resume it elsewhere or join again.';
    this.#life.end({ blame: 'server', reason: 'session-unknown', text });
    this.#pulse(now);
  }

  // ---- what goes

  #sayWhole(message: Json, flow: boolean, now: Millis): void {
    if (this.state === 'gone') return;
    if (this.#messagesOut.say(message, flow, now)) return this.#soon(now);
    const text = 'Too many messages wait for the other side of the aRTP session: it reads too slowly.';
    this.close({ blame: 'client', reason: 'messages-piled-up', text }, now);
  }

  #soon(now: Millis): void {
    this.#wakeAt = Math.min(this.#wakeAt, now);
  }

  #media(bytes: Uint8Array, length: number, spread: Spread, now: Millis): void {
    const { active, standby } = this.#paths;
    if (this.state === 'gone' || this.state === 'detached') return this.#o.count('detached');
    if (active === undefined) return this.#o.count('no-path');
    this.#mediaAt = active.mediaAt = now;
    const showId = this.#o.inside !== undefined;
    this.#transmit(bytes, length, active, showId, now);
    if (spread === 'both' && standby !== undefined) this.#transmit(bytes, length, standby, showId, now);
    if (this.#wakeAt > now + BEAT_MS) this.#wakeAt = now + BEAT_MS;
  }

  /** `bytes` has room for a trailer behind `length`. Control always shows the id: it is what new addresses are learned from. */
  #transmit(bytes: Uint8Array, length: number, path: Path, showId: boolean, now: Millis): void {
    const whole = path.trailer(bytes, length, this.#o.theirs, showId, now);
    this.#sentPackets++;
    this.#sentBytes += whole;
    this.#o.transmit(bytes, whole, path.route);
  }

  #challenge(path: Path, now: Millis): void {
    if (!this.#probes.ask(path, path === this.#paths.active, now)) return;
    // Silence where nothing is to be heard says nothing.
    if (path.state === 'ready' || !this.#paths.anyReady) this.#life.asked(now);
  }

  // ---- what is due

  #pulse(now: Millis): void {
    if (this.#life.hasEnded) return;
    if (this.#life.farewell !== undefined) return this.#depart(this.#life.farewell, now);
    if (this.#life.turn(now) && this.state === 'suspect') this.#paths.probeAll(now);
    this.#traffic.state = this.state;
    if (this.#life.hasEnded) return;
    this.#traffic.busy = now - this.#mediaAt < BUSY_MS;
    this.#paths.tick(this.#traffic, now);
    this.#rekeyWhenDue(now);
    this.#flush(now);
    const beat = this.#traffic.busy ? now + BEAT_MS : NEVER;
    const messages = this.#paths.active === undefined ? NEVER : this.#messagesOut.deadline;
    this.#wakeAt = Math.min(
      beat,
      messages,
      this.#life.deadline,
      this.#paths.deadline,
      this.#recorders.deadline,
      this.#rekeyAt,
    );
  }

  #rekeyWhenDue(now: Millis): void {
    if (now < this.#rekeyAt && !this.#line.isWorn) return;
    if (this.#keys.nextEpoch()) this.#rekeyAt = now + EPOCH_MS;
    else this.#rekeyAt = now + BEAT_MS; // it answers nothing at present
    this.#paths.active?.askSoon(now);
  }

  /** All that is to be said to the session as a whole. */
  #flush(now: Millis): void {
    const { active, standby } = this.#paths;
    const { ssrc } = this.#line;
    const otherParts = this.#line.length;
    this.#recorders.report(ssrc, now, parts => this.#line.add(parts));
    const reportParts = this.#line.length - otherParts;
    if (active === undefined) return this.#line.drop();
    if (this.#incoming.owesAck) this.#line.say(this.#incoming.ack());
    const share = this.#traffic.busy ? 0.5 : 1; // of what media leaves
    const bytesPerMs = Math.max(8, (active.meter.rateBps / 8000) * share);
    this.#messagesOut.due(now, active.rttMs ?? UNKNOWN_RTT_MS, bytesPerMs, f => this.#line.say(f));
    if (active.rttMs !== undefined) this.#plane.setRtt(active.rttMs);
    this.#paced.setRate(active.meter.rateBps, now);
    this.#policies.tick(active, standby, now);
    // A message nobody acknowledges asks whether there is anybody on this path, and takes the others meanwhile.
    const unheard =
      this.#messagesOut.unacknowledgedMs(now) > UNHEARD_MS + 2 * (active.rttMs ?? UNKNOWN_RTT_MS);
    if (unheard) active.askSoon(Math.max(now, active.probedAt + this.#o.times.probeMs));
    const unsure = unheard || this.state !== 'active' || active.unanswered > 1 || active.meter.loss > 0.1;
    const ways = this.#paths.forControl(unsure);
    this.#line.flush(this.#line.length === reportParts ? this.#paths.inTurn(ways, now) : ways, now);
  }

  /** CLOSE, on every path there is. */
  #depart(farewell: Farewell, now: Millis): void {
    if (farewell.isOver(now)) return this.#life.end(farewell.why);
    if (farewell.takeTurn(now))
      for (const p of this.#paths.all) this.#probes.say(p, [{ type: 'close', why: farewell.why }], now);
    this.#wakeAt = farewell.deadline;
  }
}
