import { randomBytes } from 'node:crypto';
import { Refusal } from '../../src/kit/refusal.ts';
import { acceptCall, type CallLocal, type CallPlan, offerCall } from '../../src/proto/sdp/call.ts';
import { parseSdp, type Sdp, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { flowTo } from '../../src/proto/sip/flow.ts';
import type { OnCall, SipCall, SipSignalling } from '../../src/proto/sip/signalling.ts';
import { type Ask, callerOf } from './ask.ts';
import type { CallMedia } from './sip-media.ts';
import type { CallPicture } from './sip-picture.ts';
import { takeReoffer } from './sip-reoffer.ts';
import { endedEarly, refusedCall, responseIn } from './sip-words.ts';
import type { SipTarget } from './target.ts';
import type { Trip } from './trip.ts';
import { failed } from './verdict.ts';
import type { Voice } from './voice.ts';

/** A server that does not answer our BYE is not waited for any longer. */
const FAREWELL_MS = 2000;
const NO_VIDEO = { codecs: [], direction: 'inactive', maxBps: 0 } as const;

/** The signalling of one outgoing call, with its offer and answer. */
export class SipDial {
  /** The server has said something. */
  readonly firstWord: Promise<void>;
  readonly answered: Promise<CallPlan>;
  /** Rejects when the call fails, or ends before we end it. */
  readonly gone: Promise<never>;
  readonly #ask: Ask;
  readonly #trip: Trip;
  readonly #media: CallMedia;
  readonly #picture: CallPicture | undefined;
  readonly #local: CallLocal;
  #description: Sdp;
  #call: SipCall | undefined;
  #spoke!: () => void;
  #accept!: (plan: CallPlan) => void;
  /** Anything but a Refusal is a bug. */
  lose!: (why: unknown) => void;
  #ended!: () => void;
  readonly #over: Promise<void>;
  #heard = false;

  /** Without `picture` the call has sound only. */
  constructor(
    ask: Ask,
    trip: Trip,
    voice: Voice,
    media: { readonly sound: CallMedia; readonly picture: CallPicture | undefined },
    localAddress: string,
  ) {
    const { sound, picture } = media;
    this.#ask = ask;
    this.#trip = trip;
    this.#media = sound;
    this.#picture = picture;
    this.#local = {
      audio: {
        sessionId: String(randomBytes(6).readUIntBE(0, 6)),
        address: localAddress,
        port: sound.port,
        codecs: voice.codecs,
        direction: 'sendrecv',
      },
      video: picture?.local ?? NO_VIDEO,
      videoPorts: picture ? { main: picture.port } : {},
    };
    this.#description = offerCall(this.#local);
    this.firstWord = new Promise(done => void (this.#spoke = done));
    this.answered = new Promise(done => void (this.#accept = done));
    this.#over = new Promise(done => void (this.#ended = done));
    this.gone = new Promise((_, fail) => void (this.lose = fail));
    this.gone.catch(() => {}); // it may come when nobody waits
  }

  /** Sends the INVITE to `address`, which is where the target's name leads. */
  begin(signalling: SipSignalling, target: SipTarget, address: string): void {
    const { token, password } = this.#ask;
    const user = callerOf(this.#ask);
    this.#trip.say(`calling ${target.host}`);
    this.#call = signalling.dial(
      {
        to: target.uri,
        user,
        sdp: writeSdp(this.#description),
        flow: flowTo(target.transport, address, target.port),
        headers: token === undefined ? [] : [['X-Roombridge-Token', token]],
        ...(password !== undefined && { credentials: { username: user, password } }),
      },
      e => this.#on(e, target, address),
    );
  }

  /** A message of the call: every response to our INVITE is a step. */
  message(bytes: Buffer): void {
    const response = responseIn(bytes);
    if (response === undefined) return;
    this.#heard = true;
    this.#spoke();
    this.#trip.step(response.status, response.phrase);
    this.#trip.say(`${response.status} ${response.phrase}`);
  }

  /** BYE or CANCEL, and its answer. Rejects never. */
  async hangUp(): Promise<void> {
    this.#call?.hangup();
    if (!this.#heard) return;
    const { clock } = this.#trip;
    let disarm = (): void => {};
    const late = new Promise<void>(done => void (disarm = clock.at(clock.now() + FAREWELL_MS, done)));
    await Promise.race([this.#over, late]);
    disarm();
  }

  #on(e: Parameters<OnCall>[0], target: SipTarget, address: string): void {
    switch (e.type) {
      case 'answered':
        return this.#answer(e.sdp);
      case 'offer':
        return this.#reoffered(e.sdp);
      case 'info':
        return this.#picture?.requestKey();
      case 'failed':
        this.lose(refusedCall(e.status, e.response, target, address));
        return this.#ended();
      case 'ended':
        this.lose(endedEarly(e.reason)); // nobody waits for it any more when it was us
        return this.#ended();
      default:
        return;
    }
  }

  #answer(text: string | undefined): void {
    const answer = parseSdp(text ?? '');
    if (typeof answer === 'string')
      return this.lose(
        failed('signalling', `Signalling: the server answered, but ${answer}; is it a SIP server?`),
      );
    const plan = acceptCall(answer, this.#description, this.#local);
    if (plan instanceof Refusal) return this.lose(failed('signalling', `Signalling: ${plan.message}`));
    this.#agreed(plan);
    this.#accept(plan);
  }

  #reoffered(text: string | undefined): void {
    const taken = takeReoffer(text, this.#call, this.#description, this.#local);
    if (taken === undefined) return;
    this.#description = taken.description;
    this.#agreed(taken.plan);
  }

  #agreed({ audio, video }: CallPlan): void {
    this.#media.agreed(audio);
    this.#picture?.agreed(video.main);
  }
}
