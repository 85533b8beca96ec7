/** One SIP leg inside its agent: offers and answers on one side, the seat on the other, media between. */
import { type LevelMeter, openLevelMeter } from '../../codecs/audio.ts';
import type {
  Format,
  Host,
  Json,
  Leg,
  LegCommand,
  LegEvent,
  LegRequest,
  Publication,
  Seat,
  StreamStats,
  Subscription,
  Termination,
} from '../../src/contract.ts';
import { Refusal, refuse, terminationOf } from '../../src/kit/refusal.ts';
import {
  type AudioLocal,
  type AudioPlan,
  acceptAudio,
  answerAudio,
  offerAudio,
  type PhoneCodec,
} from '../../src/proto/sdp/audio.ts';
import { parseSdp, type Sdp, versioned, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { receives, sends } from '../../src/proto/sdp/section.ts';
import type { AudioMedia } from './media.ts';
import { readSdp, sipNative } from './native.ts';

export interface LegOptions {
  readonly host: Host;
  readonly request: LegRequest;
  readonly seat: Seat;
  readonly emit: (e: LegEvent) => void;
  readonly codecs: readonly PhoneCodec[];
  /** What we write into descriptions for this peer. */
  readonly address: string;
  readonly sessionId: string;
  /** Told once, when everything is released. */
  readonly gone: () => void;
}

export class SipLeg implements Leg {
  readonly #o: LegOptions;
  readonly #media: AudioMedia;
  readonly #meters = new Map<string, LevelMeter>();
  #open = true;
  /** Commands that negotiate run one after another. */
  #queue: Promise<void> = Promise.resolve();
  /** Our newest description. */
  #sent: Sdp | undefined;
  /** The exchange whose answer is to come, if `#sent` is an offer. */
  #offering: number | undefined;
  #plan: AudioPlan | undefined;
  /** What was agreed before exchange `id`, in case the peer withdraws its offer. */
  #before: { readonly id: number; readonly plan: AudioPlan } | undefined;
  #publication: Publication | undefined;
  #subscription: Subscription | undefined;
  /** The peer has wanted our sound before: only then is "do not send to me" a hold. */
  #listened = false;
  #hold = false;
  #muted = false;
  #how = 'mix';

  constructor(o: LegOptions, media: AudioMedia) {
    this.#o = o;
    this.#media = media;
  }

  /** Answers the offer the request came with, or makes one. Rejects with a Refusal; the caller then closes the leg. */
  async begin(): Promise<void> {
    const { begin } = this.#o.request;
    const native = begin.type === 'offer' ? await this.#answerTo(0, begin.native) : this.#makeOffer(0);
    this.#o.emit({ type: 'description', id: 0, native });
  }

  handle(c: LegCommand): void {
    if (!this.#open) return;
    switch (c.type) {
      case 'offer':
        return this.#negotiate(c.id, () => this.#answerTo(c.id, c.native));
      case 'make-offer':
        return this.#negotiate(c.id, async () => this.#makeOffer(c.id));
      case 'answer':
        return this.#negotiate(c.id, () => this.#accept(c.id, c.native));
      case 'rollback':
        return this.#negotiate(c.id, () => this.#rollback(c.id));
      case 'confirmed':
        return this.#o.seat.confirmed();
      case 'mute':
        if (c.media === 'audio') this.#mute(c.on);
        return;
      case 'dtmf':
        return this.#o.emit({ type: 'dtmf', digit: c.digit, ms: c.ms, via: 'info' }); // the front read it
      case 'close':
        return this.close(c.why);
      case 'candidates':
        return; // no ICE on SIP legs
    }
  }

  stats(): readonly StreamStats[] {
    return this.#media.stats(this.#how);
  }

  /** Releases everything, then emits `closed`. Idempotent. */
  close(why: Termination): void {
    if (!this.#open) return;
    this.#open = false;
    this.#subscription?.close();
    this.#publication?.close();
    this.#media.close();
    for (const meter of this.#meters.values()) meter.close();
    this.#o.gone();
    this.#o.emit({ type: 'closed', why });
  }

  // What media tells.

  onState(state: 'up' | 'silent'): void {
    const summary =
      state === 'up' ? 'sound comes from the peer' : 'no sound from the peer for 15 s; the call goes on';
    this.#o.host.ladder(this.#o.request.leg, { at: Date.now(), dir: 'note', transport: 'rtp', summary });
    this.#o.emit({ type: 'media', state });
  }

  onKey(digit: string, ms: number): void {
    this.#o.emit({ type: 'dtmf', digit, ms, via: 'rtp' });
  }

  onFormat(format: Format): void {
    this.#publication?.format(format);
  }

  onClock(pts: number, captureMs: number): void {
    this.#publication?.clock(pts, captureMs);
  }

  onFailure(error: unknown): void {
    this.#o.host.log.error(
      { leg: this.#o.request.leg, err: error },
      'bug in the media of a leg: it is closed',
    );
    this.close(terminationOf(error));
  }

  // Offer and answer.

  /** Runs one exchange; a refusal is told and the call goes on as it was. */
  #negotiate(id: number, exchange: () => Promise<Json | undefined>): void {
    this.#queue = this.#queue
      .then(async () => {
        if (!this.#open) return;
        const native = await exchange();
        if (native !== undefined && this.#open) this.#o.emit({ type: 'description', id, native });
      })
      .catch((error: unknown) => {
        if (!this.#open) return;
        const why = terminationOf(error);
        if (!(error instanceof Refusal))
          this.#o.host.log.error({ leg: this.#o.request.leg, err: error }, 'bug');
        this.#o.emit({ type: 'refused', id, why });
      });
  }

  async #answerTo(id: number, native: Json): Promise<Json> {
    const result = answerAudio(read(native), this.#local());
    if (result instanceof Refusal) throw result;
    const before = this.#plan;
    await this.#adopt(result.plan);
    this.#before = before && { id, plan: before };
    this.#offering = undefined;
    this.#sent = versioned(result.sdp, this.#sent);
    return sipNative(writeSdp(this.#sent));
  }

  #makeOffer(id: number): Json {
    const inUse = this.#plan?.send.format.codec as PhoneCodec | undefined;
    this.#sent = versioned(offerAudio(this.#local(), this.#sent, inUse), this.#sent);
    this.#offering = id;
    return sipNative(writeSdp(this.#sent));
  }

  async #accept(id: number, native: Json): Promise<undefined> {
    if (this.#offering !== id || this.#sent === undefined)
      throw refuse('client', 'unexpected-answer', 'An answer came without an offer of ours.');
    const plan = acceptAudio(read(native), this.#sent, this.#local());
    if (plan instanceof Refusal) throw plan;
    await this.#adopt(plan);
    this.#offering = undefined;
  }

  /** The exchange came to nothing: what was agreed before holds. */
  async #rollback(id: number): Promise<undefined> {
    if (this.#offering === id) this.#offering = undefined;
    const before = this.#before;
    if (before?.id !== id) return;
    this.#before = undefined;
    await this.#adopt(before.plan);
  }

  #local(): AudioLocal {
    const { roles } = this.#o.request;
    const [hears, speaks] = [roles.includes('send'), roles.includes('receive')];
    return {
      sessionId: this.#o.sessionId,
      address: this.#o.address,
      port: this.#media.port,
      codecs: this.#o.codecs,
      direction: hears ? (speaks ? 'sendrecv' : 'recvonly') : speaks ? 'sendonly' : 'inactive',
    };
  }

  // What was agreed becomes media and a place in the room.

  async #adopt(plan: AudioPlan): Promise<void> {
    for (const { codec } of plan.receive.values()) await this.#openMeter(codec, plan);
    if (!this.#open) throw refuse('none', 'leg-closed', 'The leg was closed while it was negotiating.');
    this.#plan = plan;
    this.#listened ||= receives(plan.peer);
    const hold = plan.peer === 'inactive' || (this.#listened && !receives(plan.peer));
    this.#media.agreed(plan, hold, this.#meters, (packet, now) => {
      if (!this.#hold && !this.#muted) this.#publication?.sink(packet, now);
    });
    if (receives(plan.direction)) this.#publication ??= this.#publish();
    this.#setHold(hold);
    this.#subscribe(plan);
  }

  async #openMeter(codec: string, plan: AudioPlan): Promise<void> {
    const format = [...plan.receive.values()].find(f => f.codec === codec);
    if (this.#meters.has(codec) || format === undefined) return;
    const meter = await openLevelMeter(format);
    if (this.#open) this.#meters.set(codec, meter);
    else meter.close();
  }

  #publish(): Publication {
    const format = this.#media.format as Format;
    const { leg } = this.#o.request;
    const track = { source: 'mic' as const, format, canKeyframe: false, syncGroup: leg };
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

  #mute(on: boolean): void {
    this.#muted = on;
    this.#publication?.pause(on || this.#hold);
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

function read(native: Json): Sdp {
  const text = readSdp(native);
  const sdp = text === undefined ? 'there is none' : parseSdp(text);
  if (typeof sdp !== 'string') return sdp;
  throw refuse('client', 'bad-sdp', `The session description cannot be read: ${sdp}.`);
}
