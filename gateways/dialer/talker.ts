import type { Clock, MediaPacket, Sink } from '../../src/contract.ts';
import type { Tone } from './tone.ts';

/** Further behind than this (a stalled process), frames are left out: a burst would only be lost on its way. */
const MAX_BEHIND_MS = 200;

/** Says a tone into `out`, a frame at a time, until `stop`. The packet is reused. */
export class Talker {
  readonly #tone: Tone;
  readonly #clock: Clock;
  readonly #out: Sink<MediaPacket>;
  readonly #packet: MediaPacket = { seq: 0, pts: 0, marker: true, payload: new Uint8Array(0) };
  #dueAt: number;
  #disarm = (): void => {};

  constructor(tone: Tone, clock: Clock, out: Sink<MediaPacket>) {
    this.#tone = tone;
    this.#clock = clock;
    this.#out = out;
    this.#dueAt = clock.now();
    this.#tick();
  }

  /** Idempotent. */
  stop(): void {
    this.#disarm();
  }

  #tick(): void {
    const { frames, frameTicks, ptimeMs } = this.#tone;
    const packet = this.#packet;
    const now = this.#clock.now();
    while (this.#dueAt <= now) {
      if (now - this.#dueAt <= MAX_BEHIND_MS) {
        packet.payload = frames[packet.seq % frames.length] as Uint8Array;
        this.#out(packet, now);
        packet.seq++;
        packet.marker = false; // RFC 3551 §4.1: the first packet of a talkspurt has it
      }
      packet.pts += frameTicks;
      this.#dueAt += ptimeMs;
    }
    this.#disarm = this.#clock.at(this.#dueAt, () => this.#tick());
  }
}
