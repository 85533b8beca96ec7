import type { Feedback, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Pull } from '../media/room-source.ts';
import { askedBps } from './bandwidth.ts';
import type { TrackTime } from './track-time.ts';

/** Keyframe requests of one flow go upstream at most this often. */
const KEYFRAME_EVERY_MS = 300;
/** A viewer still without a keyframe asks again: the request or the frame was lost. */
const ASK_AGAIN_MS = 1000;
const BITRATE_EVERY_MS = 1000;
/** The bit rate of a flow is measured over this long: a keyframe must not look like a flood. */
const MEASURE_MS = 1000;
/** Said to a publisher that was asked for less before and may now send what it likes. */
const UNLIMITED_BPS = 10_000_000;

/** One flow of packets into this process, fanned out to everything that uses it; feedback gathers here. */
export class Tap {
  readonly time: TrackTime;
  #sinks: readonly Sink<MediaPacket>[] = [];
  readonly #pull: Pull;
  readonly #limits = new Map<object, number>();
  #askedBps: number | undefined;
  #bitrateAt: Millis = Number.NEGATIVE_INFINITY;
  #wantsKeyframe = false;
  #waiting = 0;
  #keyframeAt: Millis = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #measuredAt: Millis | undefined;
  #bps: number | undefined;

  constructor(time: TrackTime, open: (sink: Sink<MediaPacket>) => Pull) {
    this.time = time;
    this.#pull = open((packet, now) => {
      this.#bytes += packet.payload.length;
      time.arrived(packet.pts, now);
      const sinks = this.#sinks; // replaced, never changed: a sink may leave while it is called
      for (let i = 0; i < sinks.length; i++) (sinks[i] as Sink<MediaPacket>)(packet, now);
    });
  }

  /** Gives the undo. */
  add(sink: Sink<MediaPacket>): () => void {
    const entry: Sink<MediaPacket> = (packet, now) => sink(packet, now);
    this.#sinks = [...this.#sinks, entry];
    return () => {
      this.#sinks = this.#sinks.filter(s => s !== entry);
    };
  }

  askKeyframe(): void {
    this.#wantsKeyframe = true;
  }

  /** As long as someone waits, the keyframe is asked for again and again. Gives the undo. */
  awaitKeyframe(): () => void {
    this.#waiting++;
    this.#wantsKeyframe = true;
    let done = false;
    return () => {
      if (!done) this.#waiting--;
      done = true;
    };
  }

  /**
   * What `who` can receive, bits a second, Infinity when it tells no limit; undefined: it is gone. What goes upstream
   * is `askedBps` of all.
   */
  limit(who: object, bps: number | undefined): void {
    if (bps === undefined) this.#limits.delete(who);
    else this.#limits.set(who, bps);
  }

  /** Payload bits a second of late; undefined until it has been measured. */
  get bps(): number | undefined {
    return this.#bps;
  }

  /** What is asked for upstream, or is about to be; undefined: no limit. */
  get askedBps(): number | undefined {
    return this.#asking();
  }

  /** True when `flush` will have something to send. */
  get pending(): boolean {
    return this.#wantsKeyframe || this.#waiting > 0 || this.#asking() !== this.#askedBps;
  }

  /** On a tick, never inside a sink: what gathered goes upstream. */
  flush(now: Millis): void {
    this.#measure(now);
    if (this.#waiting > 0 && now >= this.#keyframeAt + ASK_AGAIN_MS) this.#wantsKeyframe = true;
    if (this.#wantsKeyframe && now >= this.#keyframeAt + KEYFRAME_EVERY_MS) {
      this.#wantsKeyframe = false;
      this.#keyframeAt = now;
      this.#send({ type: 'keyframe' });
    }
    const bps = this.#asking();
    if (bps === this.#askedBps || now < this.#bitrateAt + BITRATE_EVERY_MS) return;
    this.#askedBps = bps;
    this.#bitrateAt = now;
    this.#send({ type: 'bitrate', bps: bps ?? UNLIMITED_BPS });
  }

  close(): void {
    this.#sinks = [];
    this.time.close();
    this.#pull.close();
  }

  #send(f: Feedback): void {
    this.#pull.feedback(f);
  }

  /** Undefined: no limit. Without viewers nothing changes. */
  #asking(): number | undefined {
    return this.#limits.size === 0 ? this.#askedBps : askedBps(this.#limits.values());
  }

  #measure(now: Millis): void {
    this.#measuredAt ??= now;
    const overMs = now - this.#measuredAt;
    if (overMs < MEASURE_MS) return;
    const bps = (this.#bytes * 8000) / overMs;
    this.#bps = this.#bps === undefined ? bps : (this.#bps + 3 * bps) / 4;
    this.#bytes = 0;
    this.#measuredAt = now;
  }
}
