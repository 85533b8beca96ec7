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
  | { readonly type: 'speakers'; readonly participants: readonly string[] };

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
  on(listener: (e: SourceEvent) => void): () => void;
  /** Packets of a paused or unknown track simply do not come. Pulling a track twice is two flows. */
  pull(track: string, sink: Sink<MediaPacket>): Pull;
}
