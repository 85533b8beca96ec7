import type { Feedback, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { ClockSink, Pull } from '../media/room-source.ts';
import type { SpeakerDetector } from '../media/speaker-detector.ts';

/** What is said of a capture clock goes on at most this often. */
const CLOCK_EVERY_MS = 500;

/** Said to a publisher that was asked for less before and may now send what it likes. */
const UNLIMITED_BPS = 10_000_000;

interface Puller {
  readonly sink: Sink<MediaPacket>;
  readonly clock: ClockSink;
  /** What its process asks for at most, bits a second. */
  bps: number;
}

/** The media path of one track: one publisher, any number of pulls. Bound once; a packet is a loop of plain calls. */
export class TrackFlow {
  /** Closed while paused or muted: nothing passes. */
  open = true;
  readonly #sinks: Sink<MediaPacket>[] = [];
  readonly #pullers = new Set<Puller>();
  readonly #participant: string;
  readonly #detector: SpeakerDetector | undefined;
  readonly #feedback: (f: Feedback) => void;
  #clock: { readonly pts: number; readonly captureMs: number } | undefined;
  #clockToldAt: Millis = Number.NEGATIVE_INFINITY;
  /** Something newer than what was told goes out with the next packet that may take it along. */
  #clockOwed = false;
  #askedBps: number | undefined;

  /** `detector` only for sound: it hears the level of every packet that passes. */
  constructor(participant: string, detector: SpeakerDetector | undefined, feedback: (f: Feedback) => void) {
    this.#participant = participant;
    this.#detector = detector;
    this.#feedback = feedback;
  }

  readonly sink: Sink<MediaPacket> = (packet: MediaPacket, now: Millis): void => {
    if (!this.open) return;
    if (this.#clockOwed && now >= this.#clockToldAt + CLOCK_EVERY_MS) this.#tellClock(now);
    if (this.#detector !== undefined) this.#detector.note(this.#participant, packet.level ?? 127, now);
    const sinks = this.#sinks;
    for (let i = 0; i < sinks.length; i++) (sinks[i] as Sink<MediaPacket>)(packet, now);
  };

  /** The publisher ties media time to its capture clock. */
  clock(pts: number, captureMs: number, now: Millis): void {
    this.#clock = { pts, captureMs };
    this.#clockOwed = true;
    if (now >= this.#clockToldAt + CLOCK_EVERY_MS) this.#tellClock(now);
  }

  /** Its ticks are of another rate from now on. */
  forgetClock(): void {
    this.#clock = undefined;
    this.#clockOwed = false;
  }

  pull(sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    const puller: Puller = {
      sink: (packet, now) => sink(packet, now), // its own identity: a sink may pull twice
      clock,
      bps: Number.POSITIVE_INFINITY,
    };
    this.#sinks.push(puller.sink);
    this.#pullers.add(puller);
    this.#limit();
    if (this.#clock !== undefined) clock(this.#clock.pts, this.#clock.captureMs);
    return {
      feedback: f => this.#ask(puller, f),
      close: () => {
        if (!this.#pullers.delete(puller)) return;
        this.#sinks.splice(this.#sinks.indexOf(puller.sink), 1);
        this.#limit();
      },
    };
  }

  /** Of several processes that tell what they can take, the best counts, as among viewers of one. */
  #ask(puller: Puller, f: Feedback): void {
    if (f.type !== 'bitrate') return this.#feedback(f);
    puller.bps = f.bps;
    this.#limit();
  }

  #limit(): void {
    if (this.#pullers.size === 0) return;
    let most = 0;
    for (const { bps } of this.#pullers) most = Math.max(most, bps);
    const bps = Math.min(most, UNLIMITED_BPS);
    if (bps === (this.#askedBps ?? UNLIMITED_BPS)) return;
    this.#askedBps = bps;
    this.#feedback({ type: 'bitrate', bps });
  }

  #tellClock(now: Millis): void {
    this.#clockOwed = false;
    this.#clockToldAt = now;
    const { pts, captureMs } = this.#clock as { pts: number; captureMs: number };
    for (const puller of this.#pullers) puller.clock(pts, captureMs);
  }
}
