import type { Studio } from '../../codecs/video/studio/studio.ts';
import type { Clock, CodecName, Millis } from '../../src/contract.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
import type { Ask } from './ask.ts';
import type { Eye } from './eye.ts';
import type { Facts, Outward, PictureIn, PictureOut, Step } from './facts.ts';
import type { Hearing } from './listening.ts';
import type { OwnPicture } from './own-picture.ts';
import { failed } from './verdict.ts';

/** One dial under way: its clock, what it has found out so far, and the wish to end it. */
export class Trip {
  readonly clock: Clock;
  /** Rejects when the user has had enough. */
  readonly interrupted: Promise<never>;
  readonly out: Outward = { packets: 0, reports: 0, reported: false };
  codec: CodecName | undefined;
  mediaTo: string | undefined;
  proof: Facts['proof'] = 'rtcp';
  ear: Hearing | undefined;
  /** Where pictures are made and looked at; undefined: sound only. */
  studio: Studio | undefined;
  eye: Eye | undefined;
  own: OwnPicture | undefined;
  talkFrom: Millis | undefined;
  talkTo: Millis | undefined;
  #startedAt: Millis;
  readonly #say: (text: string) => void;
  readonly #steps: Step[] = [];
  readonly #notes: string[] = [];

  constructor(clock: Clock, signal: AbortSignal, say: (text: string) => void) {
    this.clock = clock;
    this.interrupted = new Promise((_, fail) => {
      if (signal.aborted) fail(interrupted());
      signal.addEventListener('abort', () => fail(interrupted()), { once: true });
    });
    this.interrupted.catch(() => {}); // it may come when nobody waits
    this.#say = say;
    this.#startedAt = clock.now();
  }

  /** Times count from here: what was made ready before is no time of the server's. */
  begin(): void {
    this.#startedAt = this.clock.now();
  }

  /** What is being done now, for the progress line. */
  say(text: string): void {
    this.#say(text);
  }
  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }
  /** A step of the set-up is done. The same one again (a retransmission) is not told. */
  step(name: string, detail?: string, at: Millis = this.clock.now()): void {
    if (this.#steps.some(s => s.name === name)) return;
    this.#steps.push({ name, atMs: at - this.#startedAt, detail });
  }

  /** Tells when the first sound and the first picture came, once they have. */
  milestones(): void {
    const sound = this.ear?.firstAt;
    const picture = this.eye?.firstAt;
    if (sound !== undefined) this.step('first packet', undefined, sound);
    if (picture !== undefined) this.step('first picture', undefined, picture);
  }

  /** The server has confirmed all that we send. */
  get allReported(): boolean {
    if (this.proof === 'none') return true;
    return this.out.reported && (this.own === undefined || this.own.reported);
  }

  /** As `what`, but no longer than `ms`, and no longer than the user wants. */
  async within<T>(what: Promise<T>, ms: Millis, late: () => Refusal): Promise<T> {
    let disarm = (): void => {};
    const timeout = new Promise<never>((_, fail) => {
      disarm = this.clock.at(this.clock.now() + ms, () => fail(late()));
    });
    try {
      return await Promise.race([what, timeout, this.interrupted]);
    } finally {
      disarm();
    }
  }

  facts({ target, expectHz, expectPicture }: Pick<Ask, 'target' | 'expectHz' | 'expectPicture'>): Facts {
    const { ear, talkFrom } = this;
    const { rttMs, ...out } = this.out;
    return {
      target: masked(target),
      expectHz,
      expectPicture,
      steps: this.#steps.toSorted((a, b) => a.atMs - b.atMs),
      notes: this.#notes,
      codec: this.codec,
      mediaTo: this.mediaTo,
      proof: this.proof,
      setUpMs: talkFrom === undefined ? undefined : talkFrom - this.#startedAt,
      talkedMs: this.#talkedMs(),
      rttMs,
      out,
      in: {
        packets: ear?.packets ?? 0,
        ...(ear?.lossPercent !== undefined && { lossPercent: ear.lossPercent }),
        ...(ear?.jitterMs !== undefined && { jitterMs: ear.jitterMs }),
        ...ear?.heard,
      },
      pictureOut: this.#pictureOut(),
      pictureIn: this.#pictureIn(),
    };
  }

  #pictureOut(): PictureOut | undefined {
    const { own } = this;
    return own?.facts(this.#talkedMs());
  }

  #pictureIn(): PictureIn | undefined {
    if (this.eye === undefined) return undefined;
    const { firstAt, ...sight } = this.eye.sight;
    const from = this.talkFrom ?? this.#startedAt;
    return { ...sight, ...(firstAt !== undefined && { firstFrameMs: Math.max(0, firstAt - from) }) };
  }

  #talkedMs(): Millis {
    return this.talkFrom === undefined ? 0 : (this.talkTo ?? this.clock.now()) - this.talkFrom;
  }
}

/** RTMP and WHIP addresses may carry a token. */
const masked = (target: string): string => target.replace(/([?&]token=)[^&#]*/g, '$1…');

const interrupted = (): Refusal =>
  failed('interrupted', 'Interrupted before the dial was done; the call was hung up.');
