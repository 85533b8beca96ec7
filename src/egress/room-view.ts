import type { TrackInfo } from '../contract.ts';
import type { Layout, TrackState } from '../media/room-source.ts';
import type { Feed } from './feed.ts';
import type { Slots } from './slots.ts';

/** The room as routes see it. */
export interface RoomView {
  tracks(): Iterable<TrackState>;
  track(id: string): TrackState | undefined;
  speakers(): readonly string[];
  /** What one picture of the room shows. */
  layout(): Layout;
  /** One listener's slots, shared by its wants of this kind. */
  slots(kind: SlotKind, participant: string, of: number): Slots;
  /** What a grid shows. */
  cameras(): readonly TrackInfo[];
}

/** Slots of members with sound, or with a camera. */
export type SlotKind = 'loudest' | 'cameras';

/** How one want is served now. */
export interface Route extends Feed {
  /** The room has changed. */
  refresh(): void;
}

/** The track, if `me` may see or hear it now. */
export const visibleTo = (me: string, state: TrackState | undefined): TrackInfo | undefined =>
  state !== undefined && !state.paused && (state.visible || state.info.participant === me)
    ? state.info
    : undefined;
