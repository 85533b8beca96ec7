import type { Millis } from '../../../kit/core.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import type { TransportFeedback } from '../../rtp/rtcp-feedback.ts';
import type { LossRuns } from '../../rtp/rtcp-xr.ts';
import { DelayTrend } from '../../webrtc/delay-trend.ts';
import { clustering, RateChanges } from './rate-change.ts';
import { RateEstimate } from './rate-estimate.ts';
import { ARRIVED, HISTORY_MS, LOST, PENDING, SentLog } from './sent-log.ts';
import { bpsOf, lossOf, SLICE_MS, Slices } from './slices.ts';
import { Stretch } from './stretch.ts';

const TICKS_PER_MS = 4;
const REFERENCE_MS = 64;
const REFERENCE_WRAP = 2 ** 24;
/** 22 bits of 1/65536 s: the upper ones of a trailer's send time. */
const ECHO_WRAP = 2 ** 22;
const ECHO_PER_MS = 65.536;
const MOST_RTT_MS = 10_000;
/** Of a path nobody has told anything about yet. */
const UNKNOWN_RTT_MS = 200;
/** A packet behind the newest that was told of is lost when it had a round trip and so long to come. */
const GRACE_MS = 500;
/** Loss and rates are told over so many slices; loss over more, until there are enough packets. */
const LATELY = 10;
const LOSS_PACKETS = 30;
const LOSS_SLICES = 30;
/** Without a report for so long, and so many packets in its first half. */
const UNHEARD_MS = 4000;
const NEVER_HEARD_MS = 2000;
const UNHEARD_PACKETS = 15;
/** How losses cluster is told over so many. */
const CLUSTERS = 60;
/** A queue worth the name, however small the jitter. */
const QUEUE_MS = 20;
const QUEUE_JITTERS = 2.5;

/** What became of the packets sent on one path in the last 10 s, oldest first; those nobody told of are left out. */
export interface PathView {
  /** When each was sent, ms. */
  readonly sentAt: Float64Array;
  /** 1 lost, 0 arrived. */
  readonly lost: Uint8Array;
  /** What the path takes, bit/s, all headers counted. */
  readonly availableBps: number;
  readonly rttMs: number | undefined;
}

/** The sender's knowledge of one path, from the reports of a LossRecorder at its far end. */
export class PathMeter {
  /** Smoothed; undefined before the first report. */
  rttMs: number | undefined;
  readonly #path: number;
  readonly #log = new SentLog();
  readonly #slices = new Slices();
  readonly #changes = new RateChanges(this.#slices);
  readonly #trend = new DelayTrend();
  readonly #stretch = new Stretch();
  readonly #estimate = new RateEstimate();
  /** Extended numbers: one beyond the last that was told of, and beyond the last whose time is known. */
  #told = 0;
  #timed = 0;
  #heardAt: Millis = Number.NEGATIVE_INFINITY;
  #reference: number | undefined;
  #sentAt = new Float64Array(0);
  #lost = new Uint8Array(0);

  /** `path`: its number in the hop trailer. */
  constructor(path: number) {
    this.#path = path;
  }

  /** A datagram left with this trailer sequence (16 bits). `bytes`: all of it, IP and UDP too. */
  sent(sequence: number, bytes: number, now: Millis): void {
    this.#log.sent(sequence, bytes, now);
    this.#slices.sent(bytes, now);
  }

  /** One packet of an opened RTCP datagram; what is not about this path is passed over. */
  handle(part: Rtcp, now: Millis): void {
    if (part.type === 'xr') {
      for (const losses of part.losses) if (losses.source === this.#path) this.#settle(losses, now);
      for (const d of part.delays) if (d.source === this.#path) this.#echo(d.lastTime, d.delay, now);
    } else if (part.type === 'twcc' && part.media === this.#path) {
      this.#times(part);
      this.#update(now);
    }
  }

  /** Share of packets lost lately, 0–1. */
  get loss(): number {
    const end = this.#toldSlice();
    for (let slices = LATELY; ; slices += LATELY) {
      const sums = this.#slices.sum(end - slices, end);
      if (sums.packets >= LOSS_PACKETS || slices >= LOSS_SLICES) return lossOf(sums);
    }
  }

  /** What the path takes, bit/s, as sent, all headers counted. */
  get rateBps(): number {
    return this.#estimate.bps;
  }

  /** The same, and at times less, to see whether loss falls with it: for what can be sent less of for a second. */
  trialBps(now: Millis): number {
    return this.#isUnheard(now) ? 0 : this.#estimate.trialBps(now);
  }

  /** Much was sent, and nobody told of anything: what got that far may fill the way for all that follows (RFC 8083 §4.1). */
  #isUnheard(now: Millis): boolean {
    if (now - this.#heardAt < UNHEARD_MS) return false;
    const half = (this.#told === 0 ? NEVER_HEARD_MS : UNHEARD_MS) / 2 / SLICE_MS;
    const end = Math.floor(now / SLICE_MS) - half;
    return this.#slices.sum(end - half, end).packets >= UNHEARD_PACKETS;
  }

  /** What was sent in the last second, bit/s. */
  sentBps(now: Millis): number {
    const end = Math.floor(now / SLICE_MS);
    return bpsOf(this.#slices.sum(end - LATELY, end).bytes, LATELY);
  }

  /** Valid until the next call. */
  view(now: Millis): PathView {
    const log = this.#log;
    const most = Math.max(0, this.#told - log.first);
    if (this.#lost.length < most) {
      this.#sentAt = new Float64Array(most * 2);
      this.#lost = new Uint8Array(most * 2);
    }
    let n = 0;
    for (let number = log.first; number < this.#told; number++) {
      const fate = log.fate(number);
      if (fate === PENDING || log.sentAt(number) < now - HISTORY_MS) continue;
      this.#sentAt[n] = log.sentAt(number);
      this.#lost[n++] = fate === LOST ? 1 : 0;
    }
    return {
      sentAt: this.#sentAt.subarray(0, n),
      lost: this.#lost.subarray(0, n),
      availableBps: this.rateBps,
      rttMs: this.rttMs,
    };
  }

  #settle({ begin, came }: LossRuns, now: Millis): void {
    const log = this.#log;
    const last = log.find((begin + came.length - 1) & 0xffff);
    if (last < 0) return; // tells of what was never sent, or is long gone
    this.#heardAt = now;
    const first = last + 1 - came.length;
    for (let i = Math.max(0, log.first - first); i < came.length; i++) this.#fate(first + i, came[i] === 1);
    this.#told = Math.max(this.#told, last + 1);
    // The other end does not know what it did not get after the newest it did.
    const before = now - (this.rttMs ?? UNKNOWN_RTT_MS) - GRACE_MS;
    while (this.#told < log.end && log.sentAt(this.#told) < before) this.#fate(this.#told++, false);
  }

  #fate(number: number, came: boolean): void {
    const fate = this.#log.fate(number);
    if (fate === ARRIVED || (fate === LOST && !came)) return;
    this.#log.settle(number, came ? ARRIVED : LOST);
    if (!came) this.#slices.lost(this.#log.sentAt(number), 1);
    else if (fate === LOST) this.#slices.lost(this.#log.sentAt(number), -1);
    if (came) this.#slices.arrived(this.#log.bytes(number), this.#log.sentAt(number));
    else if (number === this.#log.first || this.#log.fate(number - 1) !== LOST)
      this.#slices.burst(this.#log.sentAt(number));
  }

  #echo(lastTime: number, delay: number, now: Millis): void {
    const passed = Math.floor(now * ECHO_PER_MS) - lastTime - delay;
    const rttMs = (((passed % ECHO_WRAP) + ECHO_WRAP) % ECHO_WRAP) / ECHO_PER_MS;
    if (rttMs > MOST_RTT_MS) return;
    this.rttMs = this.rttMs === undefined ? rttMs : this.rttMs + (rttMs - this.rttMs) / 4;
  }

  /** Each packet's time once, in the order sent. */
  #times(f: TransportFeedback): void {
    let at = this.#unwrap(f.reference) * REFERENCE_MS;
    for (let i = 0; i < f.arrivals.length; i++) {
      const delta = f.arrivals[i];
      if (delta === undefined) continue;
      at += delta / TICKS_PER_MS;
      const number = this.#log.find((f.base + i) & 0xffff);
      if (number < this.#timed) continue;
      this.#timed = number + 1;
      this.#trend.packet(this.#log.sentAt(number), at);
      this.#stretch.packet(this.#log.sentAt(number), at);
    }
  }

  #unwrap(reference: number): number {
    const last = this.#reference ?? reference;
    const step = (((reference - last) % REFERENCE_WRAP) + REFERENCE_WRAP) % REFERENCE_WRAP;
    this.#reference = last + (step >= REFERENCE_WRAP / 2 ? step - REFERENCE_WRAP : step);
    return this.#reference;
  }

  #toldSlice(): number {
    return this.#told === 0 ? 0 : Math.floor(this.#log.sentAt(this.#told - 1) / SLICE_MS);
  }

  #update(now: Millis): void {
    if (this.#told === 0) return;
    const end = this.#toldSlice();
    this.#changes.update(end);
    const lately = this.#slices.sum(end - LATELY / 2, end);
    const queueMs = this.#trend.queueMs;
    this.#estimate.update(
      {
        sentBps: bpsOf(lately.bytes, lately.slices),
        arrivedBps: bpsOf(lately.arrivedBytes, lately.slices),
        loss: this.loss,
        filling:
          this.#trend.state === 'overuse' &&
          queueMs > Math.max(QUEUE_MS, QUEUE_JITTERS * this.#stretch.jitterMs),
        queueMs,
        stretch: this.#stretch.ratio,
        clustering: clustering(this.#slices.sum(end - CLUSTERS, end)),
        change: this.#changes.current(end),
        over: this.#changes.takeOver(),
        rttMs: this.rttMs ?? UNKNOWN_RTT_MS,
      },
      now,
    );
  }
}
