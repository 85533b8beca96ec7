import type { Millis } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { PathMeter } from '../rate/path-meter.ts';
import { writeTrailer } from '../trailer.ts';
import type { PathReport, Route } from './types.ts';

/** The id is shown this long after a change of address or a silence. */
export const SHOW_ID_MS = 1000;
/** Questions may be answered this many later: five seconds of probes. */
const REMEMBERED = 25;
/** Of the last question among all: a standby is asked once a second, and one lucky answer means little. */
const PROBE_WEIGHT = 1 / 16;
/** RFC 9000 §8.1 has the same bound for the same reason: whoever sends from a false address gets nobody flooded. */
const AMPLIFICATION = 3;
/** IPv4 and UDP in front of each datagram. */
const LOWER_BYTES = 28;
/** RFC 3611 §4.5: delays are told in 1/65536 s. */
const REPORT_UNITS_PER_MS = 65.536;
/** Media went here so lately that reports are about it. */
const FRESH_MS = 1000;

interface Challenge {
  readonly token: Buffer;
  readonly at: Millis;
  readonly epoch: number;
}

export const sameRoute = (a: Route, b: Route): boolean =>
  a.port === b.port && a.address === b.address && a.kind === b.kind;

const NEVER_YET = Number.NEGATIVE_INFINITY;

/** One way to the other side: what was asked and answered there, and the trailers of what goes there. */
export class Path {
  readonly route: Route;
  /** Ours, in the trailers of what we send; theirs for the same way is another. */
  readonly number: number;
  readonly meter: PathMeter;
  readonly since: Millis;
  state: PathReport['state'];
  /** They look us up by this address. */
  knownThere = false;
  /** What came last from there has passed a router: those look at the id alone. */
  isRouted = false;
  showIdUntil: Millis;
  heardAt: Millis = NEVER_YET;
  /** When the last packet of ours that we know to have arrived did so, at the latest. */
  provenAt: Millis = NEVER_YET;
  /** When media last left here. */
  mediaAt: Millis = NEVER_YET;
  silentSince: Millis = 0;
  nextProbeAt: Millis;
  probedAt: Millis = NEVER_YET;
  rttMs: number | undefined;
  /** Questions open since the last answer, and since when. */
  unanswered = 0;
  unansweredSince: Millis = 0;
  #bytesHeard = 0;
  #bytesSent = 0;
  #sequence: number;
  #challenges: Challenge[] = [];
  /** Share of questions that had no answer: lost on either way. */
  #probeLoss = 0;

  /** `sequence`: of the first trailer. Who takes the number of a path that is gone goes on where that one ended. */
  constructor(route: Route, number: number, state: 'new' | 'ready', now: Millis, sequence = 0) {
    this.route = route;
    this.number = number;
    this.#sequence = sequence;
    this.meter = new PathMeter(number);
    this.state = state;
    this.since = now;
    this.nextProbeAt = now;
    this.showIdUntil = now + SHOW_ID_MS;
  }

  /** Of the next trailer. */
  get sequence(): number {
    return this.#sequence;
  }

  heard(bytes: number, now: Millis): void {
    this.heardAt = now;
    this.#bytesHeard += bytes;
  }

  /** Share lost one way: what reports say of what was sent, or what questions say of a path that carries nothing else. */
  get loss(): number {
    return Math.max(this.meter.loss, 1 - Math.sqrt(1 - this.#probeLoss));
  }

  /** Whether this much more may go to an address that has not answered yet. */
  affords(bytes: number): boolean {
    return this.#bytesSent + bytes <= AMPLIFICATION * this.#bytesHeard;
  }

  /** Adds the hop trailer behind a sealed packet; returns the length of the datagram. */
  trailer(
    out: Uint8Array,
    sealedBytes: number,
    connection: Uint8Array,
    showId: boolean,
    now: Millis,
  ): number {
    const shown =
      showId || !this.knownThere || now < this.showIdUntil || this.isRouted || this.route.via !== undefined;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) & 0xffff;
    const length = writeTrailer(out, sealedBytes, shown ? connection : undefined, this.number, sequence, now);
    this.#bytesSent += length;
    this.meter.sent(sequence, length + LOWER_BYTES, now);
    return length;
  }

  /** At the next opportunity, whatever was planned. */
  askSoon(now: Millis): void {
    this.nextProbeAt = Math.min(this.nextProbeAt, now);
  }

  /** They told what came here: when the newest of ours did, and so how long that takes. */
  reported(part: Extract<Rtcp, { type: 'xr' }>, now: Millis): void {
    for (const { source, delay } of part.delays) {
      if (source !== this.number) continue;
      this.provenAt = Math.max(this.provenAt, now - delay / REPORT_UNITS_PER_MS);
      // Every report measures, and challenges are rare while all is well.
      if (now - this.mediaAt < FRESH_MS) this.rttMs = this.meter.rttMs ?? this.rttMs;
    }
  }

  asked(token: Buffer, epoch: number, now: Millis): void {
    this.#challenges.push({ token, at: now, epoch });
    if (this.#challenges.length > REMEMBERED) this.#challenges.shift();
    if (this.unanswered++ === 0) this.unansweredSince = now;
    this.probedAt = now;
  }

  /** The epoch the answered challenge was sealed in; undefined when nobody asked that here. Each is answered once. */
  answered(token: Uint8Array, now: Millis): number | undefined {
    const i = this.#challenges.findIndex(c => c.token.equals(token));
    const challenge = this.#challenges[i];
    if (challenge === undefined) return undefined;
    for (let lost = 0; lost < i; lost++) this.#probeLoss += (1 - this.#probeLoss) * PROBE_WEIGHT;
    this.#probeLoss -= this.#probeLoss * PROBE_WEIGHT;
    this.#challenges = this.#challenges.slice(i + 1);
    this.unanswered = 0;
    this.provenAt = now;
    const rttMs = now - challenge.at;
    this.rttMs = this.rttMs === undefined ? rttMs : this.rttMs + (rttMs - this.rttMs) / 2;
    return challenge.epoch;
  }
}
