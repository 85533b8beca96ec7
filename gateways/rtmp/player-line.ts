import type { Clock, Millis } from '../../src/contract.ts';
import type { AmfObject } from '../../src/proto/rtmp/amf0.ts';
import type { Parts } from '../../src/proto/rtmp/flv.ts';
import { Backlog } from './backlog.ts';
import type { Peer } from './peer.ts';

export type Media = 'audio' | 'video';

/** A player that is so far behind gets nothing until it has caught up, then goes on live at a keyframe. */
const LATE_MS = 1000;
const CAUGHT_UP_MS = 200;
/** A player that reads nothing for so long is gone. */
const STALLED_MS = 15_000;
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** A player's clock begins so long before its leg: what it gets was captured earlier, and the picture of one with the sound. */
const LEAD_MS = 250;

export interface PlayerLineNeeds {
  metadata(): AmfObject;
  /** Nothing went for `ageMs`: dropping begins; `caughtUp` ends it; `stalled` says the player is gone. */
  behind(ageMs: Millis): void;
  caughtUp(): void;
  stalled(text: string): void;
  drop(reason: string): void;
}

/**
 * The way of tags to one player: the beginning in good order, then live or not at all.
 *
 * Players look at the beginning of a stream to see what is in it. The picture is there at once, as a whole group, and
 * the sound a moment later: until `settle` what comes is held, so that the beginning tells of both.
 */
export class PlayerLine {
  readonly #peer: Peer;
  readonly #clock: Clock;
  readonly #needs: PlayerLineNeeds;
  readonly #startedAt: Millis;
  readonly #backlog = new Backlog();
  #held: { readonly media: Media; readonly at: Millis; readonly parts: Parts }[] | undefined = [];
  #heldBytes = 0;
  #behind = false;
  #closed = false;
  constructor(peer: Peer, clock: Clock, needs: PlayerLineNeeds) {
    this.#peer = peer;
    this.#clock = clock;
    this.#needs = needs;
    this.#startedAt = clock.now();
  }

  get settled(): boolean {
    return this.#held === undefined;
  }

  /** Metadata, how sound is coded, then what was held. Idempotent. */
  settle(): void {
    const held = this.#held;
    if (held === undefined || this.#closed) return;
    this.#held = undefined;
    this.#peer.send({ type: 'metadata', values: this.#needs.metadata() });
    for (const first of ['audio', 'video'])
      for (const tag of held) if (tag.media === first) this.send(tag.media, tag.at, tag.parts);
  }

  /** Whether anything may go now: the player is neither gone nor behind. To be asked before each picture or sound. */
  open(): boolean {
    if (!this.#closed && !this.#late()) return true;
    this.#needs.drop('slow-player');
    return false;
  }

  /** One tag; `at` is on our clock, ms. `parts` are borrowed. */
  send(media: Media, at: Millis, parts: Parts): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (this.#held !== undefined) {
      this.#held.push({ media, at, parts: parts.map(part => part.slice()) });
      if ((this.#heldBytes += bytes) > MAX_HELD_BYTES) this.settle();
      return;
    }
    this.#backlog.wrote(bytes, this.#clock.now());
    const timestampMs = Math.max(0, Math.round(at - this.#startedAt + LEAD_MS));
    this.#peer.send({ type: 'media', media, timestampMs, parts });
  }

  close(): void {
    this.#closed = true;
    this.#held = undefined;
  }

  #late(): boolean {
    const ageMs = this.#backlog.ageMs(this.#peer.queuedBytes, this.#clock.now());
    if (ageMs > STALLED_MS) {
      this.#needs.stalled(`The player read nothing for ${STALLED_MS / 1000} s.`);
      return true;
    }
    if (this.#behind && ageMs < CAUGHT_UP_MS) {
      this.#behind = false;
      this.#needs.caughtUp();
    } else if (!this.#behind && ageMs > LATE_MS) {
      this.#behind = true;
      this.#needs.behind(ageMs);
    }
    return this.#behind;
  }
}
