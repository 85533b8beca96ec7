/** One SIP leg inside its agent: offers and answers on one side, the seat on the other, sound and pictures between. */
import type { Json, Leg, LegCommand, LegDrill, StreamStats, Termination } from '../../src/contract.ts';
import { Refusal, refuse, terminationOf } from '../../src/kit/refusal.ts';
import {
  acceptCall,
  answerCall,
  type CallLocal,
  type CallPlan,
  offerCall,
} from '../../src/proto/sdp/call.ts';
import { takenOver } from '../../src/proto/sdp/keying.ts';
import { type Direction, parseSdp, type Sdp, versioned, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { directionOf, live, liveVideo } from '../../src/proto/sdp/section.ts';
import { partOf, type VideoPart, videoSections } from '../../src/proto/sdp/video.ts';
import { LegAudio } from './leg-audio.ts';
import type { LegOptions } from './leg-options.ts';
import { LegTexts } from './leg-texts.ts';
import { LegVideo } from './leg-video.ts';
import { type Moved, readMoved, readSdp, sipNative } from './native.ts';
import type { LineOptions } from './rtp-line.ts';

export class SipLeg implements Leg {
  readonly #o: LegOptions;
  readonly #line: LineOptions;
  #audio!: LegAudio;
  readonly #video = new Map<VideoPart, LegVideo>();
  readonly #texts: LegTexts;
  #open = true;
  /** Commands that negotiate run one after another. */
  #queue: Promise<void> = Promise.resolve();
  /** Our newest description. */
  #sent: Sdp | undefined;
  /** The exchange whose answer is to come, if `#sent` is an offer. */
  #offering: number | undefined;
  #plan: CallPlan | undefined;
  /** What was agreed before exchange `id`, in case the peer withdraws its offer. */
  #before: { readonly id: number; readonly plan: CallPlan } | undefined;

  /** Rejects with a Refusal when there are no ports; nothing is left then. */
  static async open(o: LegOptions): Promise<SipLeg> {
    const leg = new SipLeg(o);
    leg.#audio = await LegAudio.open(o, leg.#line, readMoved(o.request.begin.native)?.held === true);
    return leg;
  }

  private constructor(o: LegOptions) {
    this.#o = o;
    this.#texts = new LegTexts(o);
    this.#line = {
      ...o.line,
      failed: error => this.#failed(error),
      unprotected: text => this.#unprotected(text),
    };
  }

  /** Answers the offer the request came with, or makes one. Rejects with a Refusal; the caller then closes the leg. */
  async begin(): Promise<void> {
    const { begin } = this.#o.request;
    const moved = readMoved(begin.native);
    let native: Json;
    if (begin.type === 'offer') native = await this.#answerTo(0, begin.native);
    else if (moved === undefined) native = await this.#makeOffer(0, ['main']);
    else native = await this.#goOn(moved);
    this.#o.emit({ type: 'description', id: 0, native });
  }

  /** The next offer of a call whose agent has died: what we said last is known, what the phone said is not. */
  async #goOn({ before, held }: Moved): Promise<Json> {
    this.#sent = takenOver(read(sipNative(before)), this.#o.keying);
    const sound = this.#sent.sections.find(live);
    return this.#makeOffer(0, offered(this.#sent), {
      // RFC 3264 §8.4: who is held does not ask to be heard.
      ...(held && sound && { direction: directionOf(sound) }),
      first: sound?.codecs[0]?.name,
    });
  }

  handle(c: LegCommand): void {
    if (!this.#open) return;
    switch (c.type) {
      case 'offer':
        return this.#negotiate(c.id, () => this.#answerTo(c.id, c.native));
      case 'make-offer':
        return this.#negotiate(c.id, () => this.#makeOffer(c.id, this.#partsToOffer(c.why)));
      case 'answer':
        return this.#negotiate(c.id, () => this.#accept(c.id, c.native, c.early === true));
      case 'rollback':
        return this.#negotiate(c.id, () => this.#rollback(c.id));
      case 'confirmed':
        return this.#o.seat.confirmed();
      case 'mute':
        if (c.media === 'audio') this.#audio.mute(c.on);
        else for (const video of this.#video.values()) video.mute(c.on);
        return;
      case 'dtmf':
        return this.#o.emit({ type: 'dtmf', digit: c.digit, ms: c.ms, via: 'info' }); // the front read it
      case 'keyframe':
        for (const video of this.#video.values()) video.asked();
        return;
      case 'texts':
        return this.#texts.show(c.on);
      case 'say':
        return this.#texts.say(c.id, c.text);
      case 'close':
        return this.close(c.why);
      case 'candidates': // no ICE on SIP legs
      case 'fact': // nor a way to tell a phone
        return;
    }
  }

  stats(): readonly StreamStats[] {
    return [...this.#audio.stats(), ...[...this.#video.values()].flatMap(video => video.stats())];
  }

  drill(d: LegDrill | null): void {
    this.#o.drill(d);
  }

  /** Releases everything, then emits `closed`. Idempotent. */
  close(why: Termination): void {
    if (!this.#open) return;
    this.#open = false;
    this.#texts.close();
    this.#audio.close();
    for (const video of this.#video.values()) video.close();
    this.#o.gone();
    this.#o.emit({ type: 'closed', why });
  }

  /** Sound cannot be had: there is no call without it. */
  #unprotected(text: string): void {
    this.#noKeys(text);
    this.close({ blame: 'client', reason: 'dtls-failed', text });
  }

  #noKeys(text: string): void {
    this.#o.line.count('dtls-failed');
    this.#o.note(text);
  }

  #failed(error: unknown): void {
    this.#o.host.log.error(
      { leg: this.#o.request.leg, err: error },
      'bug in the media of a leg: it is closed',
    );
    this.close(terminationOf(error));
  }

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
    const offer = read(native);
    const there = videoSections(offer, this.#o.videoCodecs, this.#o.keying.policy);
    const local = await this.#local(Object.keys(there) as VideoPart[]);
    const result = answerCall(offer, local, this.#plan);
    if (result instanceof Refusal) throw result;
    const before = this.#plan;
    await this.#adopt(result.plan);
    this.#before = before && { id, plan: before };
    this.#offering = undefined;
    this.#sent = versioned(result.sdp, this.#sent);
    return sipNative(writeSdp(this.#sent));
  }

  async #makeOffer(id: number, parts: readonly VideoPart[], as: OfferAs = {}): Promise<Json> {
    const local = saying(await this.#local(this.#o.videoCodecs.length > 0 ? parts : []), as);
    this.#sent = versioned(offerCall(local, this.#sent, this.#plan), this.#sent);
    this.#offering = id;
    return sipNative(writeSdp(this.#sent));
  }

  /** `early`: what the peer plays while it rings; the answer that counts, perhaps of another fork, follows. */
  async #accept(id: number, native: Json, early: boolean): Promise<undefined> {
    if (this.#offering !== id || this.#sent === undefined)
      throw refuse('client', 'unexpected-answer', 'An answer came without an offer of ours.');
    const plan = acceptCall(read(native), this.#sent, await this.#local([]), this.#plan);
    if (plan instanceof Refusal) throw plan;
    await this.#adopt(plan);
    if (early) return;
    this.#offering = undefined;
    this.#discardUnused();
  }

  /** The exchange came to nothing: what was agreed before holds. */
  async #rollback(id: number): Promise<undefined> {
    if (this.#offering === id) {
      this.#offering = undefined;
      this.#discardUnused();
    }
    const before = this.#before;
    if (before?.id !== id) return;
    this.#before = undefined;
    await this.#adopt(before.plan);
  }

  /** Who asks us for an offer hears all we can do (RFC 6337 §5.2.5); of our own accord we add nothing. */
  #partsToOffer(why: Extract<LegCommand, { type: 'make-offer' }>['why']): readonly VideoPart[] {
    if (why === 'migrate' && this.#plan === undefined && this.#sent !== undefined) return offered(this.#sent);
    const now = Object.keys(this.#plan?.video ?? {}) as VideoPart[];
    return why === 'offerless' || why === 'dial' ? [...new Set<VideoPart>(['main', ...now])] : now;
  }

  /** What we have to say, with ports for `parts`. Without free ports the sound goes on alone. */
  async #local(parts: readonly VideoPart[]): Promise<CallLocal> {
    const { address, codecs, keying, request, sessionId, videoBps, videoCodecs } = this.#o;
    const [hears, speaks] = [request.roles.includes('send'), request.roles.includes('receive')];
    const direction = hears ? (speaks ? 'sendrecv' : 'recvonly') : speaks ? 'sendonly' : 'inactive';
    const videoPorts: Partial<Record<VideoPart, number>> = {};
    for (const part of parts) {
      const video = this.#video.get(part) ?? (await this.#openVideo(part));
      if (video !== undefined) videoPorts[part] = video.port;
    }
    return {
      audio: { sessionId, address, port: this.#audio.port, codecs, direction, keying },
      video: { codecs: videoCodecs, direction, maxBps: videoBps, keying },
      videoPorts,
    };
  }

  async #openVideo(part: VideoPart): Promise<LegVideo | undefined> {
    try {
      const line: LineOptions = { ...this.#line, unprotected: text => this.#noKeys(`no pictures: ${text}`) };
      const video = await LegVideo.open(this.#o, line, part);
      if (this.#open) this.#video.set(part, video);
      else video.close();
      return video;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#o.line.count('video-no-port');
      this.#o.note(`no pictures on this leg: ${error.message}`);
      return undefined;
    }
  }

  /** Ports that were opened for an offer nobody took. */
  #discardUnused(): void {
    for (const [part, video] of this.#video) {
      if (video.used) continue;
      video.close();
      this.#video.delete(part);
    }
  }

  async #adopt(plan: CallPlan): Promise<void> {
    await this.#audio.prepare(plan.audio);
    if (!this.#open) throw refuse('none', 'leg-closed', 'The leg was closed while it was negotiating.');
    this.#plan = plan;
    this.#audio.agreed(plan.audio);
    for (const [part, video] of this.#video) video.agreed(plan.video[part], this.#audio.hold);
  }
}

/** How an offer differs from all we can do. */
interface OfferAs {
  readonly direction?: Direction;
  /** The codec to be preferred. */
  readonly first?: string | undefined;
}

function saying(local: CallLocal, { direction, first }: OfferAs): CallLocal {
  const { audio, video } = local;
  const codecs = [...audio.codecs].sort((a, b) => Number(b === first) - Number(a === first));
  return {
    ...local,
    audio: { ...audio, codecs, ...(direction && { direction }) },
    video: { ...video, ...(direction && { direction }) },
  };
}

/** The parts of video in a description of ours. */
const offered = (sdp: Sdp): readonly VideoPart[] => [...new Set(sdp.sections.filter(liveVideo).map(partOf))];

function read(native: Json): Sdp {
  const text = readSdp(native);
  const sdp = text === undefined ? 'there is none' : parseSdp(text);
  if (typeof sdp !== 'string') return sdp;
  throw refuse('client', 'bad-sdp', `The session description cannot be read: ${sdp}.`);
}
