import type { Feedback, Millis } from '../../../contract.ts';
import type { MediaPlane } from '../media/plane.ts';
import { policyName } from '../media/policy-name.ts';
import { type MediaPolicy, PLAIN_AUDIO, PLAIN_VIDEO } from '../media/policy-types.ts';
import type { MediaKind } from '../media/types.ts';
import { choosePolicy } from '../policy/choose.ts';
import { PolicyHolder } from '../policy/holder.ts';
import type { Path } from './path.ts';
import { SourceLimit } from './source-limit.ts';

/** Between two looks at what the paths lose. */
const CHOOSE_MS = 250;
/** So much more is lost than when they were looked at last: at once. */
const RISEN = 0.03;
/** Of a picture, as a camera makes them; until it is known. */
const FRAME_MS = 1000 / 30;
/** Sound comes first; of what a path takes pictures keep at most this much from it. */
const VIDEO_SHARE = 0.5;
/** Inside a system a network that loses less is clean: what else is lost is asked for again. */
const CLEAN = 0.005;
/** What such a network takes, as far as anybody has to know, bit/s. */
const WIDE_BPS = 10_000_000_000;
/** The path takes so much more than is sent that the source may send more. */
const ROOM = 1.3;

/** Asks every quarter of a second what to spend against loss, tells the media plane, and the cameras when it is too much. */
export class Policies {
  readonly #plane: MediaPlane;
  readonly #budgetMs: number;
  readonly #holders = { audio: new PolicyHolder(), video: new PolicyHolder() };
  readonly #cameras = new Set<SourceLimit>();
  readonly #inside: boolean;
  #nextAt: Millis = 0;
  /** What the path in use lost at the last look. */
  #loss = 0;

  /** `inside`: a system's own network, wide and clean until it loses something. */
  constructor(plane: MediaPlane, budgetMs: number, inside: boolean) {
    this.#plane = plane;
    this.#budgetMs = budgetMs;
    this.#inside = inside;
  }

  /** What a camera's track is told goes through here; call `forget` when it closes. */
  camera(on: (f: Feedback) => void): SourceLimit {
    const limit = new SourceLimit(on);
    this.#cameras.add(limit);
    return limit;
  }
  forget(limit: SourceLimit): void {
    this.#cameras.delete(limit);
  }

  tick(active: Path, standby: Path | undefined, now: Millis): void {
    const { loss } = active.meter;
    if (now < this.#nextAt && loss < this.#loss + RISEN) return;
    this.#nextAt = now + CHOOSE_MS;
    this.#loss = loss;
    if (this.#inside && active.meter.loss < CLEAN && !this.#spends()) return;
    this.#choose('audio', active, standby, now);
    this.#choose('video', active, standby, now);
  }

  /** Something is held against loss. */
  #spends(): boolean {
    const { audio, video } = this.#holders;
    return [audio.held, video.held].some(c => c !== undefined && !isPlain(c.policy));
  }

  #choose(media: MediaKind, active: Path, standby: Path | undefined, now: Millis): void {
    const source = this.#plane.source(media, now);
    if (source.bps === 0) return;
    const packetMs = media === 'audio' ? source.packetMs : (source.frameMs ?? FRAME_MS);
    // Several speakers at once share the path, and what one of them needs all need.
    const sources =
      media === 'audio' ? Math.max(1, Math.round((source.packetsPerSecond * packetMs) / 1000)) : 1;
    const held = this.#holders[media].held?.policy;
    const choice = choosePolicy({
      media,
      paths: (standby === undefined ? [active] : [active, standby]).map(p => p.meter.view(now)),
      rttMs: active.rttMs,
      budgetMs: this.#budgetMs,
      sourceBps: source.bps / sources,
      packetMs,
      temporalLayers: source.temporalLayers,
      availableBps:
        this.#available(media, this.#inside ? WIDE_BPS : rateFor(media, active, now), now) / sources,
      ...(held === undefined ? {} : { held }),
    });
    this.#plane.setPolicy(this.#holders[media].update(choice, now).policy);
    if (media === 'audio') return;
    const hasRoom = choice.pathBps * ROOM < choice.availableBps;
    for (const camera of this.#cameras) {
      if (choice.sourceBps < source.bps * 0.99) camera.lower(choice.sourceBps / this.#cameras.size, now);
      else if (hasRoom) camera.raise(now);
    }
  }

  #available(media: MediaKind, rateBps: number, now: Millis): number {
    const other = media === 'audio' ? 'video' : 'audio';
    const sends = this.#plane.source(other, now).bps > 0;
    const otherBps = sends ? (this.#holders[other].held?.pathBps ?? 0) : 0;
    return rateBps - (media === 'audio' ? Math.min(otherBps, rateBps * VIDEO_SHARE) : otherBps);
  }
}

/** Sound may be sent with less for a second; a camera that was told to send less takes long to come back. */
const rateFor = (media: MediaKind, { meter }: Path, now: Millis): number =>
  media === 'audio' ? meter.trialBps(now) : meter.rateBps;

const isPlain = (p: MediaPolicy): boolean =>
  policyName(p) === policyName(p.kind === 'audio' ? PLAIN_AUDIO : PLAIN_VIDEO);
