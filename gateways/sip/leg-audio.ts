/** The sound of a leg: what was agreed becomes media and a place in the room. */
import { type LevelMeter, openLevelMeter } from '../../codecs/audio.ts';
import type {
  Format,
  MediaPacket,
  Millis,
  NewTrack,
  Publication,
  Sink,
  StreamStats,
  Subscription,
} from '../../src/contract.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import { receives, sends } from '../../src/proto/sdp/section.ts';
import { InbandKeys } from './inband-keys.ts';
import type { LegOptions } from './leg-options.ts';
import { AudioMedia } from './media.ts';
import type { LineOptions } from './rtp-line.ts';

export class LegAudio {
  readonly #o: LegOptions;
  #media!: AudioMedia;
  readonly #meters = new Map<string, LevelMeter>();
  /** For a phone that sends its keys as tones only, by codec. */
  readonly #inband = new Map<string, InbandKeys>();
  #publication: Publication | undefined;
  #subscription: Subscription | undefined;
  /** The peer has wanted our sound before: only then is "do not send to me" a hold. */
  #listened = false;
  #hold = false;
  #muted = false;
  #how = 'mix';
  #open = true;

  /** `held`: the peer holds the call, as another agent has found. Rejects with a Refusal when there are no ports. */
  static async open(o: LegOptions, line: LineOptions, held: boolean): Promise<LegAudio> {
    const audio = new LegAudio(o);
    audio.#listened = held;
    audio.#media = await AudioMedia.open({
      line,
      on: {
        state: state => audio.#state(state),
        key: ({ digit, ms }) => o.emit({ type: 'dtmf', digit, ms, via: 'rtp' }),
        format: f => audio.#publication?.format(f),
        clock: (pts, captureMs) => audio.#publication?.clock(pts, captureMs),
        timeOf: pts => audio.#subscription?.timeOf(pts),
      },
    });
    return audio;
  }

  private constructor(o: LegOptions) {
    this.#o = o;
  }

  get port(): number {
    return this.#media.port;
  }

  /** The peer holds the call. */
  get hold(): boolean {
    return this.#hold;
  }

  /** Opens what `plan` needs before it can be `agreed`. */
  async prepare(plan: AudioPlan): Promise<void> {
    for (const { codec } of plan.receive.values()) await this.#openMeter(codec, plan);
    if (plan.sendEvents === undefined)
      for (const format of plan.receive.values()) await this.#listenForKeys(format);
  }

  agreed(plan: AudioPlan): void {
    this.#listened ||= receives(plan.peer);
    const hold = plan.peer === 'inactive' || (this.#listened && !receives(plan.peer));
    if (plan.sendEvents !== undefined) this.#dropInband();
    this.#media.agreed(plan, hold, this.#meters, this.#hear);
    if (receives(plan.direction)) this.#publication ??= this.#publish();
    this.#setHold(hold);
    this.#subscribe(plan);
  }

  mute(on: boolean): void {
    this.#muted = on;
    this.#publication?.pause(on || this.#hold);
  }

  stats(): readonly StreamStats[] {
    return this.#media.stats(this.#how);
  }

  close(): void {
    this.#open = false;
    this.#subscription?.close();
    this.#publication?.close();
    this.#media.close();
    for (const meter of this.#meters.values()) meter.close();
    this.#dropInband();
  }

  readonly #hear: Sink<MediaPacket> = (packet: MediaPacket, now: Millis) => {
    if (this.#inband.size > 0) this.#inband.get(this.#media.format?.codec ?? '')?.hear(packet.payload);
    if (!this.#hold && !this.#muted) this.#publication?.sink(packet, now);
  };

  #state(state: 'up' | 'silent'): void {
    this.#o.note(
      state === 'up' ? 'sound comes from the peer' : 'no sound from the peer for 15 s; the call goes on',
    );
    this.#o.emit({ type: 'media', state });
  }

  async #openMeter(codec: string, plan: AudioPlan): Promise<void> {
    const format = [...plan.receive.values()].find(f => f.codec === codec);
    if (this.#meters.has(codec) || format === undefined) return;
    const meter = await openLevelMeter(format);
    if (this.#open) this.#meters.set(codec, meter);
    else meter.close();
  }

  async #listenForKeys(format: Format): Promise<void> {
    if (this.#inband.has(format.codec)) return;
    const heard = (digit: string, ms: number): void =>
      this.#o.emit({ type: 'dtmf', digit, ms, via: 'inband' });
    const keys = await InbandKeys.open(format, heard);
    if (this.#open && keys !== undefined) this.#inband.set(format.codec, keys);
    else keys?.close();
  }

  #dropInband(): void {
    for (const keys of this.#inband.values()) keys.close();
    this.#inband.clear();
  }

  #publish(): Publication {
    const format = this.#media.format as Format;
    const { leg, direction } = this.#o.request;
    const track: NewTrack = {
      source: 'mic',
      format,
      canKeyframe: false,
      syncGroup: leg,
      ...(direction === 'out' && { early: true }), // whom we call is heard before the answer: announcements, ringing
    };
    const publication = this.#o.seat.publish(track, () => {}); // sound knows no feedback
    if (this.#muted) publication.pause(true);
    return publication;
  }

  /** The peer's music on hold is not for the room, and nothing of the room goes to a phone that does not listen. */
  #setHold(on: boolean): void {
    if (on === this.#hold) return;
    this.#hold = on;
    this.#publication?.pause(on || this.#muted);
    this.#o.emit({ type: 'hold', by: on ? 'peer' : 'none' });
  }

  #subscribe(plan: AudioPlan): void {
    if (!sends(plan.direction)) {
      this.#subscription?.close();
      this.#subscription = undefined;
      return;
    }
    const want = { kind: 'mix', codec: plan.send.format, ptimeMs: plan.send.ptimeMs } as const;
    if (this.#subscription !== undefined) return this.#subscription.update(want);
    this.#media.switched();
    this.#subscription = this.#o.seat.want(want, this.#media.play, e => {
      if (e.type === 'serving') {
        this.#how = e.how;
        this.#media.switched();
      } else if (e.type === 'unserved')
        this.#o.host.log.warn(
          { leg: this.#o.request.leg, why: e.why },
          'the room cannot be heard on this leg',
        );
    });
  }
}
