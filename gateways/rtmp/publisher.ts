import type {
  Format,
  Host,
  Leg,
  LegCommand,
  LegEvent,
  LegRequest,
  Publication,
  Seat,
  StreamStats,
  Termination,
  TrackSource,
} from '../../src/contract.ts';
import { Refusal, terminationOf } from '../../src/kit/refusal.ts';
import { AudioIn } from './audio-in.ts';
import type { Peer, PeerEvent } from './peer.ts';
import { VideoIn } from './video-in.ts';
import { WireClock } from './wire-clock.ts';

/** How long without media before the leg says so. */
const SILENT_MS = 5000;

export interface PublisherOptions {
  readonly bFrames: 'transcode' | 'refuse';
  readonly screen: boolean;
}

/** A leg that publishes: FLV tags of its connection into tracks of its seat. */
export class Publisher implements Leg {
  readonly #host: Host;
  readonly #request: LegRequest;
  readonly #seat: Seat;
  readonly #emit: (e: LegEvent) => void;
  readonly #peer: Peer;
  readonly #clock = new WireClock();
  readonly #audio: AudioIn;
  readonly #video: VideoIn;
  #media: 'none' | 'up' | 'silent' = 'none';
  #lastMediaAt = 0;
  #disarm: () => void = () => {};
  #closed = false;

  constructor(
    host: Host,
    request: LegRequest,
    seat: Seat,
    emit: (e: LegEvent) => void,
    peer: Peer,
    options: PublisherOptions,
  ) {
    this.#host = host;
    this.#request = request;
    this.#seat = seat;
    this.#emit = emit;
    this.#peer = peer;
    const common = {
      note: (text: string) => this.#note(text),
      drop: (reason: string) => host.count('dropped', reason),
    };
    this.#audio = new AudioIn({
      ...common,
      publish: format => this.#publish('mic', format),
      soundless: text => this.#lacks('NetStream.Publish.NoSound', text),
    });
    const source = options.screen ? 'screen' : 'camera';
    this.#video = new VideoIn({
      ...common,
      source,
      bFrames: options.bFrames,
      publish: format => this.#publish(source, format),
      pictureless: text => this.#lacks('NetStream.Publish.NoPicture', text),
    });
  }

  /** Tells the client to go ahead and takes what it sends. */
  begin(): void {
    this.#peer.send({ type: 'accept' });
    this.#note('NetStream.Publish.Start', 'out');
    this.#peer.attach(e => this.#event(e));
  }

  handle(c: LegCommand): void {
    if (this.#closed) return;
    if (c.type === 'close') this.close(c.why);
    else if (c.type === 'mute') (c.media === 'audio' ? this.#audio : this.#video).pause(c.on);
    else if (c.type === 'offer' || c.type === 'make-offer')
      this.#emit({
        type: 'refused',
        id: c.id,
        why: { blame: 'client', reason: 'no-renegotiation', text: 'RTMP has no offers to make again.' },
      });
  }

  stats(): readonly StreamStats[] {
    return [...this.#audio.stats(), ...this.#video.stats(this.#host.clock.now())];
  }

  /** Idempotent. */
  close(why: Termination): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disarm();
    this.#audio.close();
    this.#video.close();
    this.#peer.send({ type: 'close', why });
    this.#note(`closed: ${why.text ?? why.reason}`);
    this.#emit({ type: 'closed', why });
  }

  #event(e: PeerEvent): void {
    if (this.#closed) return;
    if (e.type === 'metadata') {
      const { encoder } = e.values;
      return this.#note(
        `onMetaData${typeof encoder === 'string' ? ` from ${encoder.slice(0, 80)}` : ''}`,
        'in',
      );
    }
    if (e.type !== 'media') return;
    const now = this.#host.clock.now();
    const ms = this.#clock.ms(e.timestampMs, now);
    try {
      const heard = e.media === 'audio' ? this.#audio.tag(e.body, ms, now) : this.#video.tag(e.body, ms, now);
      if (heard) this.#alive(now);
    } catch (error) {
      if (!(error instanceof Refusal))
        this.#host.log.error({ leg: this.#request.leg, err: error }, 'bug in a leg: it is closed');
      this.close(terminationOf(error));
    }
  }

  #alive(now: number): void {
    this.#lastMediaAt = now;
    if (this.#media === 'up') return;
    if (this.#media === 'none') this.#seat.confirmed();
    this.#media = 'up';
    this.#emit({ type: 'media', state: 'up' });
    this.#watch(now + SILENT_MS);
  }

  #watch(when: number): void {
    this.#disarm = this.#host.clock.at(when, () => {
      const quietSince = this.#lastMediaAt + SILENT_MS;
      if (this.#host.clock.now() < quietSince) return this.#watch(quietSince);
      this.#media = 'silent';
      this.#emit({ type: 'media', state: 'silent' });
    });
  }

  #publish(source: TrackSource, format: Format): Publication {
    return this.#seat.publish(
      { source, format, canKeyframe: false, syncGroup: this.#peer.id },
      // Nothing can be asked of an RTMP publisher: no keyframe, no bitrate.
      () => {},
    );
  }

  #lacks(code: 'NetStream.Publish.NoSound' | 'NetStream.Publish.NoPicture', text: string): void {
    this.#host.log.warn({ leg: this.#request.leg }, text);
    this.#note(text);
    this.#peer.send({ type: 'status', code, text });
  }

  #note(summary: string, dir: 'in' | 'out' | 'note' = 'note'): void {
    this.#host.ladder(this.#request.leg, { at: Date.now(), dir, transport: 'rtmp', summary });
  }
}
