import type {
  Feedback,
  Format,
  MediaPacket,
  Seat,
  StreamStats,
  Subscription,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import type { OutTrack } from '../../src/proto/artp/media/types.ts';
import { mediaOf } from './formats.ts';
import type { TellOut } from './protocol.ts';
import type { Running } from './running.ts';

/** How often the member hears when what it gets is to be heard or seen. */
const CLOCK_EVERY_MS = 1000;

export interface WantingNeeds {
  readonly seat: Seat;
  readonly running: Running;
  tell(t: TellOut): void;
}

/** Something the member wants of the room, into its session. */
export class Wanting {
  readonly #n: number;
  readonly #needs: WantingNeeds;
  /** Undefined until the room has answered: it may tell, and play, before. */
  #subscription: Subscription | undefined;
  #out: { readonly track: OutTrack; readonly media: 'audio' | 'video' } | undefined;
  #how: string | undefined;
  #format: Format | undefined;
  #clockAt = 0;
  #closed = false;

  constructor(n: number, want: Want, needs: WantingNeeds) {
    this.#n = n;
    this.#needs = needs;
    this.#subscription = needs.seat.want(
      want,
      (p, now) => this.#packet(p, now),
      e => this.#track(e),
    );
    if (this.#closed) this.#subscription.close();
  }

  update(want: Want): void {
    this.#subscription?.update(want);
  }

  stats(): StreamStats[] {
    if (this.#format === undefined || this.#out === undefined) return [];
    const { packets, bytes } = this.#out.track.stats;
    const { media } = this.#out;
    return [{ media, direction: 'out', codec: this.#format.codec, how: this.#how ?? 'idle', packets, bytes }];
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription?.close();
    this.#out?.track.close();
  }

  #track(e: TrackEvent): void {
    if (this.#closed) return;
    const n = this.#n;
    this.#how = e.type === 'serving' ? e.how : e.type === 'lacking' ? this.#how : undefined;
    if (e.type !== 'serving') {
      this.#needs.tell(e.type === 'idle' ? { t: 'idle', n } : { t: e.type, n, why: e.why });
      return;
    }
    this.#format = e.format;
    this.#clockAt = 0;
    this.#needs.tell({ t: 'serving', n, format: e.format, how: e.how, ...(e.track && { track: e.track }) });
    this.#carry(e.format);
  }

  /** A new line of pts begins: the member tells its packets apart from those before. */
  #carry(format: Format): void {
    const media = mediaOf(format);
    if (this.#out?.media === media) return this.#out.track.renew();
    this.#out?.track.close();
    const { session } = this.#needs.running;
    const track = session.send(this.#n, media, format.clockRate, f => this.#asked(f));
    this.#out = { track, media };
  }

  #packet(p: MediaPacket, now: number): void {
    const out = this.#out;
    if (out === undefined || this.#closed) return;
    out.track.sink(p, now);
    if (now >= this.#clockAt) this.#tellClock(p.pts, now);
    this.#needs.running.turn();
  }

  #tellClock(pts: number, now: number): void {
    const atMs = this.#subscription?.timeOf(pts);
    if (atMs === undefined) return;
    this.#clockAt = now + CLOCK_EVERY_MS;
    this.#needs.tell({ t: 'clock', n: this.#n, pts, atMs });
  }

  #asked(f: Feedback): void {
    if (!this.#closed) this.#subscription?.feedback(f);
  }
}
