import type { Millis, StreamStats } from '../../src/contract.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import type { LegMedia, MediaEvents } from './leg-media.ts';
import type { Player } from './player.ts';
import type { VideoPlayer } from './video-player.ts';

/** Slots are told at most five times a second. */
const SLOTS_EVERY_MS = 200;

export interface PlayingOptions {
  /** Makes a part; `changed`: another member is on some of its lines. */
  readonly sound: ((changed: () => void) => Player) | undefined;
  readonly pictures: ((changed: () => void) => VideoPlayer) | undefined;
  /** The last picture line shows what is shared. */
  readonly content: boolean;
  /** Tell which member is on which line. */
  readonly tellsSlots: boolean;
  readonly events: MediaEvents;
}

/** Sound and pictures of one player, and who is where. */
export class Playing implements LegMedia {
  readonly #o: PlayingOptions;
  readonly #sound: Player | undefined;
  readonly #pictures: VideoPlayer | undefined;
  readonly #parts: readonly LegMedia[];
  #slotsAt: Millis = Number.POSITIVE_INFINITY;
  #toldAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(o: PlayingOptions) {
    this.#o = o;
    const changed = (): void => {
      if (!o.tellsSlots || this.#slotsAt < Number.POSITIVE_INFINITY) return;
      this.#slotsAt = this.#toldAt + SLOTS_EVERY_MS;
      o.events.due();
    };
    this.#sound = o.sound?.(changed);
    this.#pictures = o.pictures?.(changed);
    this.#parts = [this.#sound, this.#pictures].filter(p => p !== undefined);
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    return this.#sound?.answer(line) ?? this.#pictures?.answer(line);
  }

  start(): void {
    this.#sound?.start();
    this.#pictures?.start();
    if (this.#o.tellsSlots) this.#slotsAt = Number.NEGATIVE_INFINITY; // first that nobody is anywhere
  }

  rtp(): void {
    this.#o.events.count('rtp-from-player');
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    const pictures = this.#pictures;
    pictures?.rtcp(packets, now);
    this.#sound?.rtcp(
      pictures ? packets.filter(p => p.type !== 'nack' || !pictures.owns(p.media)) : packets,
      now,
    );
  }

  get deadline(): Millis {
    return this.#parts.reduce((d, p) => Math.min(d, p.deadline), this.#slotsAt);
  }

  tick(now: Millis): Buffer[] {
    if (now >= this.#slotsAt) this.#tellSlots(now);
    return this.#parts.flatMap(p => (now >= p.deadline ? p.tick(now) : []));
  }

  bye(now: Millis): Buffer[] {
    return this.#parts.flatMap(p => p.bye(now));
  }

  /** A player has nothing to mute. */
  mute(): void {}

  stats(): StreamStats[] {
    return this.#parts.flatMap(p => p.stats());
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }

  #tellSlots(now: Millis): void {
    this.#slotsAt = Number.POSITIVE_INFINITY;
    this.#toldAt = now;
    const pictures = this.#pictures?.members ?? [];
    const cameras = this.#o.content ? pictures.slice(0, -1) : pictures;
    const content = this.#o.content ? (pictures.at(-1) ?? null) : null;
    this.#o.events.slots({ type: 'slots', audio: this.#sound?.members ?? [], video: cameras, content });
  }
}
