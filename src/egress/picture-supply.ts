import type { Format, TrackInfo } from '../contract.ts';
import type { Termination } from '../kit/refusal.ts';
import { accepts } from './accept.ts';
import { type Share, TOLERANCE } from './bandwidth.ts';
import type { HeldFlow, Pictures } from './pictures.ts';
import { noPicture, videoTarget } from './video-target.ts';

/** One way to show something: two supplies of equal keys show the same in the same way. */
export interface Supply {
  readonly key: string;
  /** Of the subject. */
  readonly id: string;
  open(): HeldFlow;
  /** Absent for a grid. */
  readonly track?: TrackInfo;
  /** True when `track` passes untouched. */
  readonly passes: boolean;
  /** Only so many bits a second of it, in whole groups of pictures. */
  readonly thinBps?: number;
}

/** What one viewer shall see: a track, or everyone in a grid. */
export interface Subject {
  readonly id: string;
  /** How it reaches this viewer, given how much of it there may be, or why it cannot. */
  supply(share: Share): Supply | Termination;
  /** What is shown while this cannot be. */
  readonly instead?: Subject | undefined;
}

export const isSupply = (s: Supply | Termination): s is Supply => 'key' in s;

export const trackSubject = (pictures: Pictures, track: TrackInfo, accept: readonly Format[]): Subject => ({
  id: track.id,
  supply(share) {
    const { id, format } = track;
    const { codec } = format;
    if (share === 'none') return tooNarrow;
    if (share === 'full' && accepts(accept, track.format))
      return { key: `${id} ${codec}`, id, open: () => pictures.pass(track), track, passes: true };
    const bps = share === 'full' ? Number.POSITIVE_INFINITY : share * TOLERANCE;
    const layer = pictures.layerWithin(track, accept, bps);
    if (layer !== undefined) {
      const open = (): HeldFlow => pictures.layer(track, layer);
      return { key: `${layer.id} ${layer.format.codec}`, id, open, track: layer, passes: true };
    }
    const target = videoTarget(accept, share);
    const missing = pictures.codecs.missingForVideo();
    const make = target !== undefined && missing === undefined && pictures.hasRoom;
    if (!make && share !== 'full' && accepts(accept, format)) {
      const key = `${id} ${codec} ${share}`;
      return { key, id, open: () => pictures.pass(track), track, passes: true, thinBps: share };
    }
    if (target === undefined || missing !== undefined) return noPicture(format, accept, missing);
    if (!pictures.hasRoom) return tooMany;
    const key = `${id} ${codec}→${target.key}`;
    return { key, id, open: () => pictures.transcode(track, target), track, passes: false };
  },
});

/** Everyone's camera. `instead`: where there can be no grid. */
export const gridSubject = (
  pictures: Pictures,
  accept: readonly Format[],
  instead: Subject | undefined,
): Subject => ({
  id: 'grid',
  instead,
  supply(share) {
    if (share === 'none') return tooNarrow;
    const whole = videoTarget(accept, 'full');
    const target = videoTarget(accept, share);
    const missing = pictures.codecs.missingForVideo();
    if (whole === undefined || target === undefined || missing !== undefined) return noGrid(missing);
    if (!pictures.hasRoom) return tooMany;
    const open = (): HeldFlow =>
      share === 'full' ? pictures.grid(whole) : pictures.narrowGrid(whole, target);
    return { key: `grid ${target.key}`, id: 'grid', open, passes: false };
  },
});

const noGrid = (missing: string | undefined): Termination => ({
  blame: missing === undefined ? 'client' : 'server',
  reason: 'no-grid',
  text: `There is no grid here, so who speaks is shown. ${missing ?? 'This receiver takes no video codec that can be made here; let it offer H.264 or VP8.'}`,
});

const tooMany: Termination = {
  blame: 'server',
  reason: 'busy',
  text: 'This room has more kinds of transcoded pictures than one process makes; let receivers use the same codec.',
};

/** May `supply`, begun earlier, go on now that its track is `track` (undefined: gone)? */
export const lasts = (supply: Supply, track: TrackInfo | undefined, accept: readonly Format[]): boolean =>
  supply.track === undefined ||
  (track !== undefined &&
    track.format.codec === supply.track.format.codec &&
    (!supply.passes || accepts(accept, track.format)));

const tooNarrow: Termination = {
  blame: 'client',
  reason: 'line-too-narrow',
  text: 'The picture takes more bits than this line carries, even reduced as far as it can be here; sound goes on, and the picture comes back when the line recovers.',
};
