import type { Feedback, MediaPacket, Sink, TrackInfo } from '../contract.ts';

/** A track as one process knows it. */
export interface TrackState {
  readonly info: TrackInfo;
  /** Muted by its publisher or by an admin: nothing comes. */
  readonly paused: boolean;
  /** False until its participant is confirmed: invisible to others. */
  readonly visible: boolean;
}

export type SourceEvent =
  /** Added, or changed (format, paused, visible). */
  | { readonly type: 'track'; readonly track: TrackState }
  | { readonly type: 'untrack'; readonly id: string }
  /** Participants who speak now, loudest first; the last speaker stays first when all fall silent. */
  | { readonly type: 'speakers'; readonly participants: readonly string[] }
  /** What those who see one picture are to see. */
  | { readonly type: 'layout'; readonly layout: Layout };

export type Layout = 'speaker' | 'grid';

/** Media of `pts` was captured at `captureMs`, on the clock of the track's sync group. */
export type ClockSink = (pts: number, captureMs: number) => void;

/** The flow of one track into this process; shared by all of `egress/`. */
export interface Pull {
  feedback(f: Feedback): void;
  close(): void;
}

/** What `egress/` needs of a room: one per (process, room), wherever the room is. */
export interface RoomSource {
  readonly room: string;
  tracks(): Iterable<TrackState>;
  speakers(): readonly string[];
  layout(): Layout;
  on(listener: (e: SourceEvent) => void): () => void;
  /**
   * Packets of a paused or unknown track simply do not come. Pulling a track twice is two flows. `clock` hears what
   * the publisher last said of its capture clock, maybe from inside this call, and what it says later, at most twice a
   * second.
   */
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull;
}
