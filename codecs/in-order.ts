import type { MediaPacket } from '../src/contract.ts';

/** Waiting for a missing packet costs delay: no more packets than this, no longer than that. */
const MAX_HELD = 24;
const MAX_WAIT_TICKS = 90_000 / 5;
/** So far back that it is no straggler: the sender began anew. */
const RESTART = 1000;

/** Why something did not become a picture. */
export type PictureLoss = 'reordered-late' | 'gap' | 'malformed' | 'before-keyframe';

export interface InOrderNeeds {
  /** The next packet, in order; borrowed. */
  take(p: MediaPacket): void;
  /** What is missing will not come: what `take` gets next stands behind a hole. */
  gap(): void;
  late(): void;
  /** The sender numbers anew; what `take` gets next is of another sequence. */
  anew(): void;
}

/** Puts packets of a picture track right that come out of order, within a small bound, before a picture is put together. */
export class InOrder {
  readonly #held = new Map<number, MediaPacket>();
  readonly #needs: InOrderNeeds;
  #expected: number | undefined;
  constructor(needs: InOrderNeeds) {
    this.#needs = needs;
  }

  push(packet: MediaPacket): void {
    this.#expected ??= packet.seq;
    if (packet.seq < this.#expected) {
      if (packet.seq > this.#expected - RESTART) return this.#needs.late();
      this.#held.clear();
      this.#needs.anew();
      this.#expected = packet.seq;
    }
    if (packet.seq === this.#expected) {
      this.#expected++;
      this.#needs.take(packet);
      return this.#drain();
    }
    this.#held.set(packet.seq, copyOf(packet));
    const oldest = (this.#held.values().next().value as MediaPacket).pts;
    if (this.#held.size > MAX_HELD || Math.abs(packet.pts - oldest) > MAX_WAIT_TICKS) this.#giveUp();
  }

  reset(): void {
    this.#held.clear();
    this.#expected = undefined;
  }

  #giveUp(): void {
    this.#needs.gap();
    this.#expected = Math.min(...this.#held.keys());
    this.#drain();
  }

  #drain(): void {
    for (;;) {
      const next = this.#held.get(this.#expected as number);
      if (next === undefined) return;
      this.#held.delete(this.#expected as number);
      (this.#expected as number)++;
      this.#needs.take(next);
    }
  }
}

function copyOf(p: MediaPacket): MediaPacket {
  const copy: MediaPacket = { seq: p.seq, pts: p.pts, marker: p.marker, payload: p.payload.slice() };
  if (p.frame !== undefined) copy.frame = { ...p.frame };
  return copy;
}
