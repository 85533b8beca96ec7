import type { Feedback, Millis } from '../../../contract.ts';
import type { MediaPlane } from '../media/plane.ts';
import type { MediaKind } from '../media/types.ts';
import { choosePolicy } from '../policy/choose.ts';
import { PolicyHolder } from '../policy/holder.ts';
import type { Path } from './path.ts';
import { SourceLimit } from './source-limit.ts';

/** Between two looks at what the paths lose. */
const CHOOSE_MS = 250;
/** Of a picture, as a camera makes them; until it is known. */
const FRAME_MS = 1000 / 30;
/** Sound comes first; of what a path takes pictures keep at most this much from it. */
const VIDEO_SHARE = 0.5;
/** The path takes so much more than is sent that the source may send more. */
const ROOM = 1.3;

/** Asks every quarter of a second what to spend against loss, tells the media plane, and the cameras when it is too much. */
export class Policies {
  readonly #plane: MediaPlane;
  readonly #budgetMs: number;
  readonly #holders = { audio: new PolicyHolder(), video: new PolicyHolder() };
  readonly #cameras = new Set<SourceLimit>();
  #nextAt: Millis = 0;

  constructor(plane: MediaPlane, budgetMs: number) {
    this.#plane = plane;
    this.#budgetMs = budgetMs;
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
    if (now < this.#nextAt) return;
    this.#nextAt = now + CHOOSE_MS;
    this.#choose('audio', active, standby, now);
    this.#choose('video', active, standby, now);
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
      availableBps: this.#available(media, active.meter.rateBps, now) / sources,
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
