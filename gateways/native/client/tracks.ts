import type {
  Feedback,
  Format,
  MediaPacket,
  Millis,
  NewTrack,
  Sink,
  TrackEvent,
  Want,
} from '../../../src/contract.ts';
import type { InStats, InTrack, OutStats, OutTrack } from '../../../src/proto/artp/media/types.ts';
import { mediaOf, writeWant } from '../formats.ts';
import type { AskOut } from '../protocol.ts';
import type { Running } from '../running.ts';

const NO_OUT: OutStats = {
  packets: 0,
  bytes: 0,
  redundancyBytes: 0,
  retransmitted: 0,
  repairPackets: 0,
  frames: 0,
  policy: 'none',
};
const NO_IN: InStats = { packets: 0, recovered: 0, lost: 0, repeated: 0, asked: 0, frames: 0 };

/** A picture group that comes at once. */
const MAX_EARLY = 512;

/** What came of a track at the server, after repairs. */
export interface Heard {
  readonly packets: number;
  readonly lost: number;
  readonly jitterMs: number;
}

/** What a track needs of its member. */
export interface TrackOwner {
  /** Undefined while there is no session: between a loss and the resume. */
  readonly running: Running | undefined;
  say(ask: AskOut): void;
  forget(n: number): void;
}

/** A track of ours in the room. It outlives sessions: `attach` gives it the next one. */
export class PublishedTrack {
  /** RTP payloads; `now` is that of the member's clock. Audio should carry `level`, else the server measures. */
  readonly sink: Sink<MediaPacket>;
  /** The newest word of the server; undefined: none yet. */
  heard: Heard | undefined;
  readonly #n: number;
  readonly #owner: TrackOwner;
  readonly #on: (f: Feedback) => void;
  #track: NewTrack;
  #paused = false;
  #out: OutTrack | undefined;
  #clock: { readonly pts: number; readonly captureMs: number } | undefined;
  #closed = false;

  constructor(n: number, track: NewTrack, on: (f: Feedback) => void, owner: TrackOwner) {
    this.#n = n;
    this.#track = track;
    this.#on = on;
    this.#owner = owner;
    this.sink = (packet, now) => {
      if (this.#closed || this.#out === undefined) return;
      this.#out.sink(packet, now);
      this.#owner.running?.turn();
    };
  }

  /** The next session. */
  attach(running: Running): void {
    const { format } = this.#track;
    this.#owner.say({ t: 'publish', n: this.#n, track: this.#track } as AskOut);
    if (this.#paused) this.#owner.say({ t: 'pause', n: this.#n, on: true });
    if (this.#clock !== undefined) this.#owner.say({ t: 'clock', n: this.#n, ...this.#clock });
    this.#out = running.session.send(this.#n, mediaOf(format), format.clockRate, f => this.#on(f));
  }
  detach(): void {
    this.#out = undefined;
  }

  /** Ties media time to capture time, ms on a clock that all tracks of the sync group share. */
  clock(pts: number, captureMs: number): void {
    this.#clock = { pts, captureMs };
    this.#say({ t: 'clock', n: this.#n, pts, captureMs });
  }
  /** From here on in another format of the same medium. */
  format(format: Format): void {
    this.#track = { ...this.#track, format };
    this.#say({ t: 'format', n: this.#n, format });
    this.#out?.renew();
  }
  pause(on: boolean): void {
    this.#paused = on;
    this.#say({ t: 'pause', n: this.#n, on });
  }
  /** The server's word about it. */
  heardTold(heard: Heard): void {
    this.heard = heard;
  }
  get stats(): OutStats {
    return this.#out?.stats ?? NO_OUT;
  }
  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#say({ t: 'unpublish', n: this.#n });
    this.#out?.close();
    this.#closed = true;
    this.#owner.forget(this.#n);
  }

  #say(ask: AskOut): void {
    if (!this.#closed && this.#owner.running !== undefined) this.#owner.say(ask);
  }
}

/** Something wanted of the room. It outlives sessions, too. */
export class WantedTrack {
  readonly #n: number;
  readonly #owner: TrackOwner;
  readonly #sink: Sink<MediaPacket>;
  readonly #on: (e: TrackEvent) => void;
  readonly #gone: () => void;
  #want: Want;
  readonly #early: { readonly packet: MediaPacket; readonly now: Millis }[] = [];
  #in: InTrack | undefined;
  #format: Format | undefined;
  #clock: { readonly pts: number; readonly atMs: number } | undefined;
  #closed = false;

  constructor(
    n: number,
    want: Want,
    sink: Sink<MediaPacket>,
    on: (e: TrackEvent) => void,
    owner: TrackOwner,
    gone: () => void = () => {},
  ) {
    this.#n = n;
    this.#want = want;
    this.#sink = sink;
    this.#on = on;
    this.#owner = owner;
    this.#gone = gone;
  }

  attach(running: Running): void {
    this.#in = running.session.hear(this.#n, (p, now) => this.#heard(p, now));
    this.#ask('want');
  }
  detach(): void {
    if (this.#in === undefined) return;
    this.#in = undefined;
    this.#format = undefined;
    this.#early.length = 0;
    this.#tell({ type: 'idle' });
  }

  /** The server's word about it. */
  told(e: TrackEvent): void {
    if (this.#closed) return;
    if (e.type !== 'lacking') {
      this.#format = e.type === 'serving' ? e.format : undefined;
      this.#clock = undefined;
    }
    this.#tell(e);
    for (const { packet, now } of this.#early.splice(0)) if (!this.#closed) this.#sink(packet, now);
  }
  clockTold(pts: number, atMs: number): void {
    this.#clock = { pts, atMs };
  }

  update(want: Want): void {
    this.#want = want;
    if (!this.#closed && this.#owner.running !== undefined) this.#ask('update');
  }
  /** A keyframe, a bit rate, a pause: of whoever publishes what is served. */
  feedback(f: Feedback): void {
    if (this.#closed) return;
    this.#in?.feedback(f);
    this.#owner.running?.turn();
  }
  /**
   * Lip-sync: when what has `pts` is to be heard or seen, ms on a clock that all that this member wants share. Undefined
   * until the server has said so, about a second after it began.
   */
  timeOf(pts: number): Millis | undefined {
    if (this.#clock === undefined || this.#format === undefined) return undefined;
    return this.#clock.atMs + ((pts - this.#clock.pts) * 1000) / this.#format.clockRate;
  }
  get stats(): InStats {
    return this.#in?.stats ?? NO_IN;
  }
  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    if (this.#owner.running !== undefined) this.#owner.say({ t: 'unwant', n: this.#n });
    this.#closed = true;
    this.#in?.close();
    this.#gone();
    this.#owner.forget(this.#n);
  }

  /** Packets may overtake the word about them. */
  #heard(packet: MediaPacket, now: Millis): void {
    if (this.#format !== undefined) return this.#sink(packet, now);
    if (this.#early.length === MAX_EARLY) this.#early.shift();
    const { frame, payload } = packet;
    const kept = { ...packet, payload: payload.slice(), ...(frame && { frame: { ...frame } }) };
    this.#early.push({ packet: kept, now });
  }

  #ask(t: 'want' | 'update'): void {
    this.#owner.say({ t, n: this.#n, want: writeWant(this.#want) } as AskOut);
  }
  #tell(e: TrackEvent): void {
    this.#on(e);
  }
}
