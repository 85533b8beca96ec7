import { Vp8Rewrite } from '../../codecs/vp8/rewrite.ts';
import type { Feedback, Format, MediaPacket, Sink, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import { Width } from './bandwidth.ts';
import { formatKey } from './codecs.ts';
import type { Outlet } from './feed.ts';
import { isSupply, lasts, type Subject, type Supply } from './picture-supply.ts';
import type { HeldFlow, Pictures, Ticking } from './pictures.ts';
import { Thin } from './thin.ts';
import { VideoFeed } from './video-feed.ts';

/** How often a viewer's share of the bits is looked at. */
const WIDTH_EVERY_MS = 500;
/** What failed once is tried again after this long. */
const RETRY_MS = 30_000;
/** Ways that failed of late, remembered; more are tried again sooner. */
const MAX_FAILED = 16;

interface View {
  readonly supply: Supply;
  /** As it is now. */
  track: TrackInfo | undefined;
  readonly held: HeldFlow;
  readonly feed: VideoFeed;
  readonly thin: Thin | undefined;
  readonly unfail: () => void;
  readonly unform: () => void;
}

/** Tracks this viewer could be shown, by id. */
export type There = (id: string) => TrackInfo | undefined;

/**
 * One viewer's picture, whose source changes: other tracks, other ways to show the same. The old picture stays until
 * the new one has a keyframe. Every change is a `serving`, so the leg continues sequence and time across it; of VP8,
 * the picture ids go on here.
 */
export class Switch implements Ticking {
  readonly #pictures: Pictures;
  readonly #outlet: Outlet;
  readonly #accept: readonly Format[];
  readonly #maxBps: number;
  readonly #width = new Width();
  #estimateBps = Number.POSITIVE_INFINITY;
  #lookAt: Millis = 0;
  /** Of the whole picture, as last measured. */
  #wholeBps: number | undefined;
  #subject: Subject | undefined;
  #there: There = () => undefined;
  #shown: View | undefined;
  #next: View | undefined;
  /** What is shown waits for what comes next. */
  #held = false;
  /** The one whose flow knows of this viewer's limit. */
  #declared: View | undefined;
  /** What was told when there was nothing to pass on: `idle`, or why. */
  #told: string | undefined;
  /** Why something else is shown than the subject, as told. */
  #lacking: string | undefined;
  /** By key of the supply. */
  readonly #failed = new Map<string, { readonly why: Termination; readonly at: Millis }>();
  #vp8: Vp8Rewrite | undefined;
  #vp8Now = false;
  readonly #packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };

  constructor(pictures: Pictures, accept: readonly Format[], maxBps: number, outlet: Outlet) {
    this.#pictures = pictures;
    this.#accept = accept;
    this.#maxBps = maxBps;
    this.#outlet = outlet;
    pictures.add(this);
  }

  /** The track being shown, or about to be. */
  get track(): string | undefined {
    return (this.#next ?? this.#shown)?.supply.track?.id;
  }

  /** Of what is shown now: as `Subscription.timeOf`, and its sync group. */
  timeOf(pts: number): Millis | undefined {
    return this.#shown?.held.flow.timeOf(pts);
  }
  get syncGroup(): string | undefined {
    return this.#shown?.track?.syncGroup;
  }

  /** `subject` shall be seen; `there`: the tracks that may be, which is asked again until the next call. */
  show(subject: Subject | undefined, there: There): void {
    this.#subject = subject;
    this.#there = there;
    this.#settle();
  }

  feedback(f: Feedback): void {
    if (f.type === 'keyframe' && !this.#held) this.#shown?.feed.refresh(this.#pictures.clock.now());
    if (f.type !== 'bitrate') return;
    if (f.bps < this.#estimateBps) this.#lookAt = 0; // it may be urgent
    this.#estimateBps = f.bps;
    this.#declare();
  }

  pause(): void {
    this.#shown?.feed.pause();
    this.#next?.feed.pause();
  }

  get ticking(): boolean {
    return (
      this.#limit() < Number.POSITIVE_INFINITY ||
      this.#shown?.feed.replaying === true ||
      this.#failed.size > 0
    );
  }

  tick(now: Millis): void {
    this.#shown?.feed.tick(now);
    this.#next?.feed.tick(now);
    this.#shown?.thin?.tick(now);
    if (now < this.#lookAt || this.#subject === undefined) return;
    this.#lookAt = now + WIDTH_EVERY_MS;
    const flow = this.#shown?.held.flow;
    this.#wholeBps = flow?.wholeBps ?? this.#wholeBps;
    const rates = { track: this.#wholeBps, sent: flow?.cache.tap.bps, asked: flow?.askedBps };
    const changed = this.#width.update(now, rates, this.#estimateBps, this.#maxBps);
    if (this.#forgetFailed(now) || changed) this.#settle();
    if (changed && this.#width.clogged && this.#next !== undefined) this.#hold();
  }

  close(): void {
    this.#pictures.delete(this);
    this.#shown = this.#end(this.#shown);
    this.#next = this.#end(this.#next);
  }

  /** The line is full of the old picture, and the new one will need its room: nothing until then. */
  #hold(): void {
    this.#held = true;
    this.#shown?.feed.hold();
  }

  /** The new picture is there, or will not come. */
  #release(): void {
    if (!this.#held || this.#next !== undefined) return;
    this.#held = false;
    this.#shown?.feed.refresh(this.#pictures.clock.now());
  }

  /** This viewer counts once: with what it sees, or with what it is about to. */
  #declare(): void {
    const view = this.#shown ?? this.#next;
    if (this.#declared !== view) this.#undeclare();
    view?.held.flow.limit(this, this.#limit());
    this.#declared = view;
  }
  #undeclare(): void {
    this.#declared?.held.flow.limit(this, undefined);
    this.#declared = undefined;
  }

  #limit(): number {
    return Math.min(this.#estimateBps, this.#maxBps);
  }

  /** From what is shown to what shall be, as far as that goes now. */
  #settle(): void {
    this.#arrange();
    this.#release();
  }

  #arrange(): void {
    this.#shown = this.#keep(this.#shown);
    this.#next = this.#keep(this.#next);
    const subject = this.#subject;
    if (subject === undefined) return this.#idle();
    const supply = this.#way(subject);
    if (isSupply(supply)) {
      this.#lacking = undefined;
      return this.#turnTo(supply);
    }
    if (subject.instead === undefined) return this.#refuse(subject, supply);
    const instead = this.#way(subject.instead);
    if (!isSupply(instead)) return this.#refuse(subject.instead, instead);
    this.#turnTo(instead);
    this.#lacks(supply);
  }

  /** How `subject` can be shown now, or why not. */
  #way(subject: Subject): Supply | Termination {
    const supply = subject.supply(this.#width.share);
    return isSupply(supply) ? (this.#failed.get(supply.key)?.why ?? supply) : supply;
  }

  #turnTo(supply: Supply): void {
    if (supply.key === this.#next?.supply.key) return;
    this.#next = this.#end(this.#next);
    if (supply.key !== this.#shown?.supply.key) this.#begin(supply);
  }

  /** Something else is shown; told once. */
  #lacks(why: Termination): void {
    const lacking = `${why.reason} ${why.text}`;
    if (this.#lacking === lacking) return;
    this.#lacking = lacking;
    this.#pictures.count(why.reason);
    this.#outlet.tell({ type: 'lacking', why });
  }

  #forgetFailed(now: Millis): boolean {
    let forgotten = false;
    for (const [key, { at }] of this.#failed) if (now >= at + RETRY_MS) forgotten = this.#failed.delete(key);
    return forgotten;
  }

  /** A view whose track is gone or is no longer what the receiver takes ends at once. */
  #keep(view: View | undefined): View | undefined {
    if (view?.track === undefined) return view;
    const track = this.#there(view.track.id);
    if (!lasts(view.supply, track, this.#accept)) return this.#end(view);
    if (
      track !== undefined &&
      view.supply.passes &&
      formatKey(track.format) !== formatKey(view.track.format)
    ) {
      view.track = track;
      view.feed.renew();
    }
    return view;
  }

  #begin(supply: Supply): void {
    const held = supply.open();
    const { flow } = held;
    const { thinBps } = supply;
    const thin =
      thinBps === undefined ? undefined : new Thin(this.#sink, thinBps, () => flow.cache.tap.askKeyframe());
    const view: View = {
      supply,
      track: supply.track,
      held,
      feed: new VideoFeed(flow.cache, thin?.sink ?? this.#sink, () => this.#begun(view), this.#maxBps),
      thin,
      unfail: flow.onFailed(() => this.#broke(view)),
      unform: flow.onFormat(() => view.feed.renew()),
    };
    this.#next = view;
    this.#declare();
    if (flow.failure !== undefined) this.#broke(view);
    else view.feed.start(this.#pictures.clock.now());
  }

  #begun(view: View): void {
    if (this.#next === view) {
      if (this.#shown?.supply.id !== view.supply.id) this.#wholeBps = undefined;
      this.#end(this.#shown);
      this.#shown = view;
      this.#next = undefined;
      this.#held = false;
      this.#declare();
    }
    view.thin?.restart();
    this.#told = undefined;
    const { track } = view;
    const { flow } = view.held;
    const format = view.supply.passes && track !== undefined ? track.format : flow.format;
    this.#vp8Now = format.codec === 'VP8';
    if (this.#vp8Now) {
      this.#vp8 ??= new Vp8Rewrite({ pictureId: 0, tl0PicIdx: 0 });
      this.#vp8.restart();
    }
    // A transcode gives keyframes when asked, whoever publishes.
    const told = track && { track: view.supply.passes ? track : { ...track, canKeyframe: true } };
    this.#outlet.tell({ type: 'serving', ...told, format, how: flow.how });
  }

  /** The flow of `view` gives nothing any more. */
  #broke(view: View): void {
    const why = view.held.flow.failure as Termination;
    for (const key of this.#failed.keys()) if (this.#failed.size >= MAX_FAILED) this.#failed.delete(key);
    this.#failed.set(view.supply.key, { why, at: this.#pictures.clock.now() });
    if (view === this.#shown) this.#shown = this.#end(view);
    if (view === this.#next) this.#next = this.#end(view);
    if (this.#subject !== undefined) this.#settle();
  }

  /** Another's picture stays while there is one; this viewer's own way to what it shall see is closed. */
  #refuse(subject: Subject, why: Termination): void {
    this.#next = this.#end(this.#next);
    if (this.#shown !== undefined && this.#shown.supply.id !== subject.id) return;
    this.#shown = this.#end(this.#shown);
    const told = `${subject.id} ${why.reason} ${why.text}`;
    if (this.#told === told) return;
    this.#told = told;
    this.#pictures.count(why.reason);
    this.#outlet.tell({ type: 'unserved', why });
  }

  #idle(): void {
    this.#shown = this.#end(this.#shown);
    this.#next = this.#end(this.#next);
    this.#lacking = undefined;
    if (this.#told !== 'idle') this.#outlet.tell({ type: 'idle' });
    this.#told = 'idle';
  }

  readonly #sink: Sink<MediaPacket> = (packet, now) => {
    if (!this.#vp8Now) return this.#outlet.sink(packet, now);
    const payload = this.#vp8?.map(packet);
    if (payload === undefined) return;
    const { seq, pts, marker, frame } = packet;
    this.#outlet.sink(Object.assign(this.#packet, { seq, pts, marker, payload, frame }), now);
  };

  #end(view: View | undefined): undefined {
    if (view === undefined) return;
    view.unfail();
    view.unform();
    view.feed.close();
    if (this.#declared === view) this.#undeclare();
    view.held.close();
  }
}
