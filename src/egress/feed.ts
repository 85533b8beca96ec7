import type { Feedback, Format, MediaPacket, Sink, TrackEvent, TrackInfo } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { Termination } from '../kit/refusal.ts';
import { accepts } from './accept.ts';
import { type Codecs, encodable, isAudio } from './codecs.ts';
import { PictureCache } from './picture-cache.ts';
import type { Refs } from './refs.ts';
import type { Sound, Taps } from './sound.ts';
import { VideoFeed } from './video-feed.ts';

/** What all feeds of one room share in this process. */
export interface Floor {
  readonly taps: Taps;
  readonly sound: Sound;
  readonly pictures: Refs<PictureCache>;
  readonly codecs: Codecs;
  now(): Millis;
}

/** A leg's end of a want: where packets and events go. */
export interface Outlet {
  readonly sink: Sink<MediaPacket>;
  tell(e: TrackEvent): void;
}

/** One track on its way to one outlet. */
export interface Feed {
  feedback(f: Feedback): void;
  pause(): void;
  close(): void;
}

const nothing: Feed = { feedback() {}, pause() {}, close() {} };

/** Serves `track`: untouched when `accept` allows, else transcoded, else told why not. */
export function feedTrack(floor: Floor, track: TrackInfo, accept: readonly Format[], outlet: Outlet): Feed {
  if (accepts(accept, track.format))
    return isAudio(track.format) ? pass(floor, track, outlet) : view(floor, track, outlet);
  const to = isAudio(track.format) ? target(floor.codecs, accept) : noPicture(track.format, accept);
  if ('codec' in to) return transcode(floor, track, to, outlet);
  outlet.tell({ type: 'unserved', why: to });
  return nothing;
}

/** The shared cache of a picture track; undo with `floor.pictures.release(track.id)`. */
export const pictureOf = (floor: Pick<Floor, 'taps' | 'pictures'>, track: TrackInfo): PictureCache =>
  floor.pictures.acquire(
    track.id,
    () =>
      new PictureCache(floor.taps.acquire(track.id), !track.canKeyframe, () => floor.taps.release(track.id)),
  );

function pass(floor: Floor, track: TrackInfo, outlet: Outlet): Feed {
  outlet.tell({ type: 'serving', track, format: track.format, how: 'passthrough' });
  const undo = floor.taps.acquire(track.id).add(outlet.sink);
  return {
    ...nothing,
    close() {
      undo();
      floor.taps.release(track.id);
    },
  };
}

function view(floor: Floor, track: TrackInfo, outlet: Outlet): Feed {
  const feed = new VideoFeed(track, pictureOf(floor, track), outlet.sink, () =>
    outlet.tell({ type: 'serving', track, format: track.format, how: 'passthrough' }),
  );
  feed.start(floor.now());
  return {
    feedback: f => feed.feedback(f, floor.now()),
    pause: () => feed.pause(),
    close() {
      feed.close();
      floor.pictures.release(track.id);
    },
  };
}

function transcode(floor: Floor, track: TrackInfo, to: Format, outlet: Outlet): Feed {
  const how = `transcode ${track.format.codec}→${to.codec}`;
  const undo = floor.sound.transcode(track, to, {
    sink: outlet.sink,
    nextPts: Number.NEGATIVE_INFINITY,
    seq: 0,
    serving: encoded => outlet.tell({ type: 'serving', track, format: encoded, how }),
    failed: why => outlet.tell({ type: 'unserved', why }),
  });
  return { ...nothing, close: undo };
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

/** Why a picture cannot be passed on. */
export const noPicture = (format: Format, accept: readonly Format[]): Termination => ({
  blame: 'server',
  reason: 'no-video-transcode',
  text: `This picture is ${describe(format)} and the receiver takes ${
    accept
      .filter(f => !isAudio(f))
      .map(describe)
      .join(', ') || 'no video'
  }; pictures are passed on untouched only, so let both use the same codec and packetization mode.`,
});

const describe = (f: Format): string =>
  f.codec === 'H264' ? `H264 (packetization-mode ${f.fmtp?.['packetization-mode'] ?? '0'})` : f.codec;
