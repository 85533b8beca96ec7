import type { Feedback, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Pull, RoomSource } from '../media/room-source.ts';

/** Keyframe requests of one track go upstream at most this often. */
const KEYFRAME_EVERY_MS = 500;
/** A viewer still without a keyframe asks again: the request or the frame was lost. */
const ASK_AGAIN_MS = 1000;
const BITRATE_EVERY_MS = 1000;

/** The one flow of a track into this process, fanned out to everything that uses it; feedback gathers here. */
export class Tap {
  #sinks: readonly Sink<MediaPacket>[] = [];
  readonly #pull: Pull;
  readonly #bitrates = new Map<object, number>();
  #askedBps: number | undefined;
  #bitrateAt: Millis = Number.NEGATIVE_INFINITY;
  #wantsKeyframe = false;
  #waiting = 0;
  #keyframeAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(source: RoomSource, track: string) {
    this.#pull = source.pull(track, (packet, now) => {
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

  /** What `who` can receive; undefined: it is gone. The lowest goes upstream. */
  bitrate(who: object, bps: number | undefined): void {
    if (bps === undefined) this.#bitrates.delete(who);
    else this.#bitrates.set(who, bps);
  }

  /** True when `flush` will have something to send. */
  get pending(): boolean {
    return this.#wantsKeyframe || this.#waiting > 0 || this.#lowestBps() !== this.#askedBps;
  }

  /** On a tick, never inside a sink: what gathered goes upstream. */
  flush(now: Millis): void {
    if (this.#waiting > 0 && now >= this.#keyframeAt + ASK_AGAIN_MS) this.#wantsKeyframe = true;
    if (this.#wantsKeyframe && now >= this.#keyframeAt + KEYFRAME_EVERY_MS) {
      this.#wantsKeyframe = false;
      this.#keyframeAt = now;
      this.#send({ type: 'keyframe' });
    }
    const bps = this.#lowestBps();
    if (bps === this.#askedBps || now < this.#bitrateAt + BITRATE_EVERY_MS) return;
    this.#askedBps = bps;
    this.#bitrateAt = now;
    if (bps !== undefined) this.#send({ type: 'bitrate', bps });
  }

  close(): void {
    this.#sinks = [];
    this.#pull.close();
  }

  #send(f: Feedback): void {
    this.#pull.feedback(f);
  }

  #lowestBps(): number | undefined {
    let lowest: number | undefined;
    for (const bps of this.#bitrates.values()) if (lowest === undefined || bps < lowest) lowest = bps;
    return lowest;
  }
}
