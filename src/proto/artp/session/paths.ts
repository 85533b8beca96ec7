import type { Millis } from '../../../contract.ts';
import { NEVER } from '../../../kit/core.ts';
import { Path, SHOW_ID_MS, sameRoute } from './path.ts';
import { PathChoice } from './path-choice.ts';
import type { Route, SessionState, SessionTimes } from './types.ts';

/** Addresses a session may have at once. */
const MAX_PATHS = 8;
/** Nothing heard on a path that carries media: it is asked, and shown whose packets these are. */
const QUIET_MS = 400;
/** Heard so lately: what is said there arrives, as far as anybody knows. */
const HEARD_MS = 250;
/** Nothing proves that what is sent there arrives. Reports would, ten times a second. */
const UNPROVEN_MS = 500;
/** Nothing heard on a path although it was asked so often and so long: media goes elsewhere. */
const DEAD_MS = 800;
const DEAD_PROBES = 3;
/** We hear them there but no answer: they do not hear us. */
const DEAF_MS = 2000;
/** A standby that has to be worth something when it is needed. */
const STANDBY_MS = 1000;
/** The path in use loses so much that the policy has to know what the other one would lose. */
const LOSSY = 0.02;
/** Everything is silent, for long: still asked. */
const LOST_MS = 500;
/** Until both sides know an address it is asked this often: at 80 % loss one question in 25 is answered. */
const MEET_MS = 100;
/** Afterwards they have other troubles. */
const MEET_FOR_MS = 30_000;
/** An address that never answered, and is silent, is forgotten. */
const NEW_PATH_MS = 3000;
/** An address that answered once and is silent for this long is forgotten by the side that learned it. */
const FORGET_MS = 30_000;

export interface PathsOptions {
  readonly side: 'client' | 'server';
  readonly times: SessionTimes;
  readonly now: Millis;
  /** Asks there: PATH_CHALLENGE. */
  readonly challenge: (path: Path, now: Millis) => void;
  /** The other side may be known by this address from now on, or no longer. */
  readonly known: (route: Route, on: boolean) => void;
}

/** What `tick` has to know of the session. */
export interface Traffic {
  readonly state: SessionState;
  /** Media came or went lately. */
  readonly busy: boolean;
}

/** All ways to the other side: asks them, tells which are alive, and chooses where media goes. */
export class Paths {
  readonly #o: PathsOptions;
  readonly #choice: PathChoice;
  readonly all: Path[] = [];
  /**
   * By number of a path that is gone: the next trailer sequence. Their record of that number goes on; one that began anew
   * would look like packets overtaken long ago, and nothing would be told of it until it had caught up.
   */
  readonly #ended = new Map<number, number>();
  /** Where they send theirs, as they last said. */
  #preferred: Path | undefined;
  /** Whose turn it was. */
  #turn = 0;

  constructor(o: PathsOptions) {
    this.#o = o;
    this.#choice = new PathChoice(o.times);
  }

  get active(): Path | undefined {
    return this.#choice.active;
  }
  get standby(): Path | undefined {
    return this.#choice.standby;
  }
  get anyReady(): boolean {
    return this.all.some(p => p.state === 'ready');
  }

  find(route: Route): Path | undefined {
    for (const p of this.all) if (sameRoute(p.route, route)) return p;
    return undefined;
  }

  /** Undefined when there are too many already. */
  add(route: Route, state: 'new' | 'ready', now: Millis): Path | undefined {
    if (this.all.length >= MAX_PATHS && !this.#evict()) return undefined;
    let number = 0;
    while (this.all.some(p => p.number === number)) number++;
    const path = new Path(route, number, state, now, this.#ended.get(number));
    // UDP first; the stream joins the race when it has had time to answer.
    if (this.#o.side === 'client' && route.kind === 'stream' && !this.anyReady)
      path.nextProbeAt = Math.max(now, this.#o.now + this.#o.times.streamAfterMs);
    this.all.push(path);
    if (state === 'ready') this.#tell(path, true);
    return path;
  }

  drop(path: Path): void {
    this.all.splice(this.all.indexOf(path), 1);
    this.#ended.set(path.number, path.sequence);
    this.#choice.forget(path);
    if (this.#preferred === path) this.#preferred = undefined;
    if (path.state !== 'new') this.#tell(path, false);
  }

  /** The client sends its media there: so does the server, as long as it goes through. */
  prefer(path: Path): void {
    this.#preferred = path;
  }

  /** A challenge was answered. */
  answered(path: Path, traffic: Traffic, now: Millis): void {
    if (path.state === 'new') this.#tell(path, true);
    path.state = 'ready';
    path.nextProbeAt = now + this.#restMs(path, traffic, now);
    this.choose(now);
  }

  /** Something authentic came on it. */
  heard(path: Path, now: Millis): void {
    if (path.state !== 'silent') return;
    path.nextProbeAt = Math.min(path.nextProbeAt, Math.max(now, path.probedAt + this.#o.times.probeMs));
  }

  /** Where to say what concerns the session: also where they were heard last; all that is ready when in doubt. */
  forControl(unsure: boolean): readonly Path[] {
    const { active } = this;
    if (active === undefined) return [];
    return this.all.filter(
      p => p === active || (p.state === 'ready' && (unsure || p.heardAt > active.heardAt)),
    );
  }

  /** One of `ways` while all of them are heard: for reports, which say everything again ten times a second. */
  inTurn(ways: readonly Path[], now: Millis): readonly Path[] {
    if (ways.length < 2 || ways.some(p => now - p.heardAt > HEARD_MS)) return ways;
    this.#turn = (this.#turn + 1) % ways.length;
    return ways.slice(this.#turn, this.#turn + 1);
  }

  /** All are asked at once. */
  probeAll(now: Millis): void {
    for (const p of this.all) p.nextProbeAt = Math.min(p.nextProbeAt, now);
  }

  choose(now: Millis): void {
    this.#choice.choose(this.all, this.#o.side === 'server' ? this.#preferred : undefined, this.#o.now, now);
  }

  tick(traffic: Traffic, now: Millis): void {
    for (const p of [...this.all]) {
      if (this.#o.side === 'server' && this.#isOver(p, now)) this.drop(p);
      else this.#watch(p, traffic, now);
    }
    this.choose(now);
    for (const p of this.all)
      if (now >= p.nextProbeAt) {
        p.nextProbeAt = now + this.#againMs(p, traffic, now);
        this.#o.challenge(p, now);
      }
  }

  get deadline(): Millis {
    let at = NEVER;
    for (const p of this.all) at = Math.min(at, p.nextProbeAt);
    return at;
  }

  /** A router's address stands for many. */
  #tell(path: Path, on: boolean): void {
    if (path.route.via === undefined) this.#o.known(path.route, on);
  }

  #watch(p: Path, { state, busy }: Traffic, now: Millis): void {
    const { probeMs } = this.#o.times;
    const inUse = busy && p === this.active;
    const quiet = inUse && now - Math.max(p.heardAt, p.since) > QUIET_MS;
    const unproven = inUse && now - p.mediaAt < UNPROVEN_MS && now - p.provenAt > UNPROVEN_MS;
    if (quiet || unproven) {
      p.showIdUntil = now + SHOW_ID_MS;
      p.nextProbeAt = Math.min(p.nextProbeAt, Math.max(now, p.probedAt + probeMs));
    }
    if (state === 'suspect') p.nextProbeAt = Math.min(p.nextProbeAt, Math.max(now, p.probedAt + probeMs));
    if (p.state === 'ready' && this.#isDead(p, now)) {
      p.state = 'silent';
      p.silentSince = now;
      p.showIdUntil = now + SHOW_ID_MS;
      for (const other of this.all) if (other.state === 'ready') other.askSoon(now);
    }
  }

  #isDead(p: Path, now: Millis): boolean {
    if (p.unanswered < DEAD_PROBES) return false;
    const graceMs = 2 * (p.rttMs ?? 0);
    if (now - Math.max(p.heardAt, p.unansweredSince) > DEAD_MS + graceMs) return true;
    return now - Math.max(p.provenAt, p.unansweredSince) > DEAF_MS + graceMs;
  }

  #isOver(p: Path, now: Millis): boolean {
    if (p.route.kind === 'stream') return false; // closed by whoever holds it
    if (p.state === 'new') return now - Math.max(p.since, p.heardAt) > NEW_PATH_MS;
    return p.state === 'silent' && p !== this.active && now - p.silentSince > FORGET_MS;
  }

  /** Until the next question when this one stays unanswered. */
  #againMs(p: Path, { state }: Traffic, now: Millis): number {
    const { probeMs, suspectMs, udpAgainMs } = this.#o.times;
    if (state === 'suspect') return probeMs;
    if (state === 'detached') return LOST_MS;
    if (p.state === 'new') return now - p.since < MEET_FOR_MS ? MEET_MS : LOST_MS;
    const isLastHope = p === this.active || now - p.silentSince < suspectMs;
    if (p.state === 'silent') return isLastHope ? probeMs : udpAgainMs;
    return probeMs;
  }

  /** Until the next question when this one was answered. */
  #restMs(p: Path, { busy }: Traffic, now: Millis): number {
    const { keepAliveMs, idleKeepAliveMs, probeMs } = this.#o.times;
    if (!p.knownThere && now - p.since < MEET_FOR_MS) return MEET_MS;
    if (!busy) return idleKeepAliveMs;
    if (p === this.active || p.route.kind === 'stream') return keepAliveMs;
    return (this.active?.meter.loss ?? 0) > LOSSY ? probeMs : STANDBY_MS;
  }

  /** The newcomer is authentic: what never answered, or is silent longest, goes. */
  #evict(): boolean {
    const old = this.all
      .filter(p => p !== this.active && p.route.kind === 'udp' && p.state !== 'ready')
      .sort((a, b) => a.heardAt - b.heardAt)[0];
    if (old === undefined) return false;
    this.drop(old);
    return true;
  }
}
