import type { Feedback, MediaPacket, Sink } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Pull } from '../media/room-source.ts';
import type { SpeakerDetector } from '../media/speaker-detector.ts';

/** The media path of one track: one publisher, any number of pulls. Bound once; a packet is a loop of plain calls. */
export class TrackFlow {
  /** Closed while paused or muted: nothing passes. */
  open = true;
  readonly #sinks: Sink<MediaPacket>[] = [];
  readonly #participant: string;
  readonly #detector: SpeakerDetector | undefined;
  readonly #feedback: (f: Feedback) => void;

  /** `detector` only for sound: it hears the level of every packet that passes. */
  constructor(participant: string, detector: SpeakerDetector | undefined, feedback: (f: Feedback) => void) {
    this.#participant = participant;
    this.#detector = detector;
    this.#feedback = feedback;
  }

  readonly sink: Sink<MediaPacket> = (packet: MediaPacket, now: Millis): void => {
    if (!this.open) return;
    if (this.#detector !== undefined) this.#detector.note(this.#participant, packet.level ?? 127, now);
    const sinks = this.#sinks;
    for (let i = 0; i < sinks.length; i++) (sinks[i] as Sink<MediaPacket>)(packet, now);
  };

  pull(sink: Sink<MediaPacket>): Pull {
    const entry: Sink<MediaPacket> = (packet, now) => sink(packet, now); // its own identity: a sink may pull twice
    this.#sinks.push(entry);
    return {
      feedback: f => this.#feedback(f),
      close: () => {
        const at = this.#sinks.indexOf(entry);
        if (at >= 0) this.#sinks.splice(at, 1);
      },
    };
  }
}
