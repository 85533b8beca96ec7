import type {
  Format,
  Host,
  Leg,
  LegCommand,
  LegEvent,
  LegRequest,
  Seat,
  StreamStats,
  Subscription,
  Termination,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { AmfObject } from '../../src/proto/rtmp/amf0.ts';
import { METADATA_AAC, METADATA_AVC } from '../../src/proto/rtmp/flv.ts';
import { AudioOut, type TagSink } from './audio-out.ts';
import type { RtmpPath } from './path.ts';
import type { Peer, PeerEvent } from './peer.ts';
import { type Media, PlayerLine } from './player-line.ts';
import { VideoOut } from './video-out.ts';

const AAC: Format = { codec: 'AAC', clockRate: 48000, channels: 1 };
/** Any profile and level: the player gets what the publisher sent. */
const H264: Format = { codec: 'H264', clockRate: 90000, fmtp: { 'packetization-mode': '1' } };
const MIX_PTIME_MS = 20;

/** How long the wants may take to be answered before the player is told what there is so far. */
const SETTLE_MS = 500;

export interface PlayerOptions {
  readonly path: RtmpPath;
  readonly maxPictureBps: number;
}

/** A leg that plays: what its seat hears and sees, as FLV tags on its connection, both on one clock from 0. */
export class Player implements Leg {
  readonly #host: Host;
  readonly #request: LegRequest;
  readonly #seat: Seat;
  readonly #emit: (e: LegEvent) => void;
  readonly #peer: Peer;
  readonly #path: RtmpPath;
  readonly #wants: readonly [sound: Want, picture: Want];
  readonly #line: PlayerLine;
  readonly #audio: AudioOut;
  readonly #video: VideoOut;
  readonly #how: Record<Media, string | undefined> = { audio: undefined, video: undefined };
  readonly #wanted: Record<Media, boolean> = { audio: true, video: true };
  readonly #subscriptions: Partial<Record<Media, Subscription>> = {};
  readonly #unserved = new Map<Media, Termination>();
  #cancelAsk: (() => void) | undefined;
  #stopWatching: () => void = () => {};
  #cancelSettle: () => void = () => {};
  readonly #answered = new Set<Media>();
  #paused = false;
  #closed = false;

  constructor(
    host: Host,
    request: LegRequest,
    seat: Seat,
    emit: (e: LegEvent) => void,
    peer: Peer,
    options: PlayerOptions,
  ) {
    this.#host = host;
    this.#request = request;
    this.#seat = seat;
    this.#emit = emit;
    this.#peer = peer;
    this.#path = options.path;
    this.#wants = wantsOf(options);
    const drop = (reason: string): void => host.count('dropped', reason);
    this.#line = new PlayerLine(peer, host.clock, {
      drop,
      metadata: () => this.#metadata(),
      behind: ageMs => this.#note(`player ${Math.round(ageMs)} ms behind: dropping to the live edge`),
      caughtUp: () => this.#video.skipToKeyframe(),
      stalled: text => this.close({ blame: 'client', reason: 'player-stalled', text }),
    });
    this.#audio = new AudioOut(this.#tags('audio'));
    const wantKeyframe = (): void => this.#askKeyframe();
    this.#video = new VideoOut({ ...this.#tags('video'), drop, wantKeyframe });
  }

  /**
   * Resolves when the room has said whom it has. Rejects with a Refusal, and leaves nothing behind, when there is
   * nothing here to play.
   */
  async ready(): Promise<void> {
    const { user } = this.#path;
    if (user === undefined || (await this.#present(user))) return;
    this.abandon();
    throw refuse('client', 'no-such-member', `There is no member "${user}" in room ${this.#seat.room} now.`);
  }

  /** Tells the client to go ahead and lets the media through. */
  begin(): void {
    this.#peer.send({ type: 'accept' });
    this.#note('NetStream.Play.Start', 'out');
    this.#peer.attach(e => this.#event(e));
    this.#seat.confirmed();
    this.#emit({ type: 'media', state: 'up' });
    const [sound, picture] = this.#wants;
    this.#want('audio', sound);
    this.#want('video', picture);
    if (this.#line.settled || this.#closed) return;
    const { clock } = this.#host;
    this.#cancelSettle = clock.at(clock.now() + SETTLE_MS, () => this.#line.settle());
  }

  handle(c: LegCommand): void {
    if (this.#closed) return;
    if (c.type === 'close') this.close(c.why);
    else if (c.type === 'offer' || c.type === 'make-offer')
      this.#emit({
        type: 'refused',
        id: c.id,
        why: { blame: 'client', reason: 'no-renegotiation', text: 'RTMP has no offers to make again.' },
      });
  }

  stats(): readonly StreamStats[] {
    const line = (media: Media, codec: string): StreamStats[] => {
      const out = media === 'audio' ? this.#audio : this.#video;
      const how = this.#how[media];
      if (how === undefined && out.packets === 0) return [];
      const { packets, bytes } = out;
      const seen = media === 'video' ? this.#video.seen(this.#host.clock.now()) : {};
      return [{ media, direction: 'out', codec, how: how ?? 'idle', packets, bytes, ...seen }];
    };
    return [...line('audio', 'AAC'), ...line('video', 'H264')];
  }

  /** Gives back what the room gave, without a word to the peer: this leg never was. */
  abandon(): void {
    this.#closed = true;
    this.#cancelAsk?.();
    this.#cancelSettle();
    this.#line.close();
    this.#stopWatching();
    for (const s of Object.values(this.#subscriptions)) s.close();
  }

  /** Idempotent. */
  close(why: Termination): void {
    if (this.#closed) return;
    this.abandon();
    this.#peer.send({ type: 'close', why });
    this.#note(`closed: ${why.text ?? why.reason}`);
    this.#emit({ type: 'closed', why });
  }

  #want(media: Media, want: Want): void {
    const out = media === 'audio' ? this.#audio : this.#video;
    const s = this.#seat.want(
      want,
      (packet, now) => {
        if (!this.#paused && this.#wanted[media]) out.packet(packet, now);
      },
      e => this.#track(media, e),
    );
    if (this.#closed) s.close();
    else this.#subscriptions[media] = s;
  }

  #track(media: Media, e: TrackEvent): void {
    if (this.#closed) return;
    if (e.type === 'lacking') return this.#note(`${media}: ${e.why.text ?? e.why.reason}`);
    if (e.type === 'serving') {
      this.#unserved.delete(media);
      this.#how[media] = e.how;
      if (media === 'audio') this.#audio.serving(e.format, this.#host.clock.now());
      else this.#video.serving(e.format);
      this.#note(`${media}: ${e.how}`);
    } else {
      this.#how[media] = undefined;
      if (e.type === 'unserved') this.#lacks(media, e.why);
    }
    this.#answered.add(media);
    if (this.#line.settled) this.#peer.send({ type: 'metadata', values: this.#metadata() });
    else if (this.#answered.size === 2) this.#line.settle();
  }

  #lacks(media: Media, why: Termination): void {
    this.#unserved.set(media, why);
    const text = `No ${media === 'audio' ? 'sound' : 'picture'} for this player: ${why.text ?? why.reason}`;
    this.#host.log.warn({ leg: this.#request.leg }, text);
    this.#note(text);
    if (this.#unserved.size === 2) this.close(why);
  }

  /** Whether `member` is here; from then on this leg ends when that member leaves. */
  #present(member: string): Promise<boolean> {
    return new Promise(done => {
      this.#stopWatching = this.#seat.watch(e => {
        if (e.type === 'roster') done(e.members.some(m => m.participant === member));
        else if (e.type === 'left' && e.participant === member)
          this.close({ blame: 'none', reason: 'member-left', text: `${member} left the room.` });
      });
    });
  }

  #event(e: PeerEvent): void {
    if (e.type === 'pause') {
      this.#paused = e.on;
      if (!e.on) this.#video.restart();
    } else if (e.type === 'receive') {
      this.#wanted[e.media] = e.on;
      if (e.on && e.media === 'video') this.#video.restart();
    }
  }

  /**
   * What the stream holds as far as it is known. An answer still awaited is a picture being made ready (a keyframe is
   * asked for, a transcoder opens), and some players never look for one that was not announced.
   */
  #metadata(): AmfObject {
    const { audio, video } = this.#how;
    return {
      ...((video !== undefined || !this.#answered.has('video')) && { videocodecid: METADATA_AVC }),
      ...(audio !== undefined && {
        audiocodecid: METADATA_AAC,
        audiosamplerate: AAC.clockRate,
        audiosamplesize: 16,
        stereo: false,
      }),
      encoder: 'Roombridge',
    };
  }

  #tags(media: Media): TagSink {
    return {
      open: () => this.#line.open(),
      timeOf: pts => this.#subscriptions[media]?.timeOf(pts),
      send: (at, parts) => this.#line.send(media, at, parts),
    };
  }

  /** Feedback never goes upstream from inside a Sink: at the next turn of the clock, once. */
  #askKeyframe(): void {
    this.#cancelAsk ??= this.#host.clock.at(this.#host.clock.now(), () => {
      this.#cancelAsk = undefined;
      if (!this.#closed) this.#subscriptions.video?.feedback({ type: 'keyframe' });
    });
  }

  #note(summary: string, dir: 'out' | 'note' = 'note'): void {
    this.#host.ladder(this.#request.leg, { at: Date.now(), dir, transport: 'rtmp', summary });
  }
}

/** What to hear and what to see. */
function wantsOf({ path, maxPictureBps }: PlayerOptions): [sound: Want, picture: Want] {
  const { user } = path;
  if (user === undefined)
    return [
      { kind: 'mix', codec: AAC, ptimeMs: MIX_PTIME_MS },
      { kind: 'picture', source: 'speaker', accept: [H264], maxBps: maxPictureBps },
    ];
  return [
    { kind: 'member', participant: user, source: 'mic', accept: [AAC] },
    { kind: 'member', participant: user, source: path.screen ? 'screen' : 'camera', accept: [H264] },
  ];
}
