import type { Feedback, Format, MediaPacket, NewTrack, Publication, Sink } from '../contract.ts';

const NOTHING: Publication = { id: '', sink() {}, clock() {}, format() {}, pause() {}, close() {} };

/** A track that is published again wherever its leg, or its room, goes on. */
export class SteadyPublication implements Publication {
  readonly #id: string;
  #inner: Publication = NOTHING;
  #track: NewTrack;
  #paused = false;
  #clock: readonly [pts: number, captureMs: number] | undefined;
  #closed = false;
  readonly #on: (f: Feedback) => void;
  readonly #onClosed: () => void;

  /** `id`: as long as it is nowhere. */
  constructor(id: string, track: NewTrack, on: (f: Feedback) => void, onClosed: () => void) {
    this.#id = id;
    this.#track = track;
    this.#on = on;
    this.#onClosed = onClosed;
  }

  get id(): string {
    return this.#inner === NOTHING ? this.#id : this.#inner.id;
  }

  /** As it is now. */
  begin(publish: (track: NewTrack, on: (f: Feedback) => void) => Publication): void {
    this.#inner = publish(this.#track, this.#on);
    if (this.#paused) this.#inner.pause(true);
    if (this.#clock !== undefined) this.#inner.clock(...this.#clock);
  }
  /** There is no room for now. */
  rest(): void {
    this.#inner = NOTHING;
  }

  readonly sink: Sink<MediaPacket> = (packet, now) => this.#inner.sink(packet, now);

  clock(pts: number, captureMs: number): void {
    this.#clock = [pts, captureMs];
    this.#inner.clock(pts, captureMs);
  }
  format(format: Format): void {
    if (format.clockRate !== this.#track.format.clockRate) this.#clock = undefined;
    this.#track = { ...this.#track, format };
    this.#inner.format(format);
  }
  pause(on: boolean): void {
    this.#paused = on;
    this.#inner.pause(on);
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inner.close();
    this.#inner = NOTHING;
    this.#onClosed();
  }
}
