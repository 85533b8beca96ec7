import { openLevelMeter } from '../../codecs/audio.ts';
import { h264Ingress } from '../../codecs/h264/ingress.ts';
import { PictureComplaints } from '../../codecs/video-ingress.ts';
import { vp8Ingress } from '../../codecs/vp8/ingress.ts';
import type {
  Feedback,
  Format,
  MediaPacket,
  Millis,
  NewTrack,
  Publication,
  Seat,
  Sink,
  StreamStats,
} from '../../src/contract.ts';
import type { InTrack } from '../../src/proto/artp/media/types.ts';
import { Reception } from '../../src/proto/rtp/stats.ts';
import { mediaOf } from './formats.ts';
import type { Running } from './running.ts';

const SILENT = 127;

export interface PublishingNeeds {
  readonly seat: Seat;
  readonly running: Running;
  count(reason: string): void;
  note(text: string): void;
  /** Of the leg, by the platform or by itself. */
  muted(media: 'audio' | 'video'): boolean;
}

/** One track of the member, from its session into the room: level or frame marks ► publication. */
export class Publishing {
  readonly #needs: PublishingNeeds;
  readonly #publication: Publication;
  readonly #in: InTrack;
  readonly #media: 'audio' | 'video';
  readonly #source: NewTrack['source'];
  readonly #complaints = new PictureComplaints();
  #format: Format;
  #into: Sink<MediaPacket>;
  #arrivals: Reception;
  #bytes = 0;
  #closed = false;
  #forget: () => void = () => {};

  constructor(n: number, track: NewTrack, needs: PublishingNeeds) {
    this.#needs = needs;
    this.#format = track.format;
    this.#media = mediaOf(track.format);
    this.#source = track.source;
    this.#publication = needs.seat.publish(track, f => this.#asked(f));
    this.#into = this.#chain(track.format);
    this.#arrivals = new Reception(track.format.clockRate);
    this.#in = needs.running.session.hear(n, (p, now) => {
      this.#arrivals.arrival(p.pts, now);
      if (needs.muted(this.#media)) return;
      this.#bytes += p.payload.length;
      this.#into(p, now);
    });
  }

  /** From here on in another format; not of the other medium. */
  format(f: Format): boolean {
    if (mediaOf(f) !== this.#media) return false;
    this.#format = f;
    this.#publication.format(f);
    this.#arrivals = new Reception(f.clockRate);
    this.#into = this.#chain(f);
    return true;
  }

  pause(on: boolean): void {
    this.#publication.pause(on);
  }
  clock(pts: number, captureMs: number): void {
    this.#publication.clock(pts, captureMs);
  }

  /** What came of it so far, after repairs. */
  heard(): { packets: number; lost: number; jitterMs: number } {
    const { packets, lost } = this.#in.stats;
    return { packets, lost, jitterMs: this.#arrivals.jitterMs };
  }

  stats(): StreamStats {
    const { packets, lost, jitterMs } = this.heard();
    const media = this.#source === 'screen' ? 'screen' : this.#media;
    return {
      media,
      direction: 'in',
      codec: this.#format.codec,
      how: 'passthrough',
      packets,
      lost,
      jitterMs,
      bytes: this.#bytes,
    };
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    this.#in.close();
    this.#publication.close();
  }

  #asked(f: Feedback): void {
    if (this.#closed) return;
    this.#in.feedback(f);
    this.#needs.running.turn();
  }

  #chain(format: Format): Sink<MediaPacket> {
    this.#forget();
    this.#forget = () => {};
    return this.#media === 'audio' ? this.#sound(format) : this.#pictures(format);
  }

  /** The level is the member's own word where it says one (as a browser's is), else it is measured. */
  #sound(format: Format): Sink<MediaPacket> {
    let measure: ((payload: Uint8Array) => number) | undefined;
    let over = false;
    openLevelMeter(format).then(
      meter => {
        if (over) return meter.close();
        measure = payload => meter.level(payload);
        this.#forget = () => meter.close();
      },
      error => this.#needs.note(`its loudness cannot be measured: ${(error as Error).message}`),
    );
    this.#forget = () => void (over = true);
    return (p, now) => {
      p.level ??= measure?.(p.payload) ?? SILENT;
      this.#publication.sink(p, now);
    };
  }

  /** A stranger's frame marks are not believed: they are set from the payload, as everywhere. */
  #pictures(format: Format): Sink<MediaPacket> {
    const drop = (reason: string): void => {
      this.#needs.count(reason);
      const complaint = this.#complaints.of(reason);
      if (complaint !== undefined) this.#needs.note(complaint);
    };
    const ingress = (format.codec === 'H264' ? h264Ingress : vp8Ingress)({
      format: f => this.#publication.format(f),
      drop,
    });
    return ingress((p: MediaPacket, now: Millis) => this.#publication.sink(p, now));
  }
}
