import type { Feedback, Format, MediaPacket, Sink, TrackEvent, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import { accepts } from './accept.ts';
import { type Codecs, encodable, isAudio } from './codecs.ts';
import type { Pictures } from './pictures.ts';
import type { Sound, Taps } from './sound.ts';

/** What all feeds of one room share in this process. */
export interface Floor {
  readonly taps: Taps;
  readonly sound: Sound;
  readonly pictures: Pictures;
  readonly codecs: Codecs;
  now(): Millis;
}

/** A leg's end of a want: where packets and events go. */
export interface Outlet {
  readonly sink: Sink<MediaPacket>;
  tell(e: TrackEvent): void;
}

/** What is on its way to one outlet. */
export interface Feed {
  feedback(f: Feedback): void;
  /** As `Subscription.timeOf`. */
  timeOf(pts: number): Millis | undefined;
  pause(): void;
  close(): void;
}

export const nothing: Feed = { feedback() {}, timeOf: () => undefined, pause() {}, close() {} };

/** Serves a track of sound: untouched when `accept` allows, else transcoded, else told why not. */
export function feedSound(floor: Floor, track: TrackInfo, accept: readonly Format[], outlet: Outlet): Feed {
  if (accepts(accept, track.format)) return pass(floor, track, outlet);
  const to = target(floor.codecs, accept);
  if ('codec' in to) return transcode(floor, track, to, outlet);
  outlet.tell({ type: 'unserved', why: to });
  return nothing;
}

function pass(floor: Floor, track: TrackInfo, outlet: Outlet): Feed {
  outlet.tell({ type: 'serving', track, format: track.format, how: 'passthrough' });
  const tap = floor.taps.acquire(track.id);
  const undo = tap.add(outlet.sink);
  return {
    ...nothing,
    timeOf: pts => tap.time.timeOf(pts),
    close() {
      undo();
      floor.taps.release(track.id);
    },
  };
}

function transcode(floor: Floor, track: TrackInfo, to: Format, outlet: Outlet): Feed {
  const how = `transcode ${track.format.codec}→${to.codec}`;
  const transcoded = floor.sound.transcode(track, to, {
    sink: outlet.sink,
    nextPts: Number.NEGATIVE_INFINITY,
    seq: 0,
    serving: encoded => outlet.tell({ type: 'serving', track, format: encoded, how }),
    failed: why => outlet.tell({ type: 'unserved', why }),
  });
  return { ...nothing, ...transcoded };
}

/** The first of `accept` that sound can be turned into here, or why there is none. */
function target(codecs: Codecs, accept: readonly Format[]): Format | Termination {
  let missing: string | undefined;
  for (const format of accept.filter(isAudio)) {
    missing = codecs.missingFor(format);
    if (missing === undefined) return encodable(format);
  }
  const text = missing ?? 'This receiver takes no codec for sound; let it offer opus, G.722 or G.711.';
  return { blame: missing === undefined ? 'client' : 'server', reason: 'no-common-codec', text };
}
