import type { Format, Json, NewTrack, RoomEvent, Termination } from '../contract.ts';
import type { SourceEvent } from '../media/room-source.ts';
import type { JoinAsk, Joined, LegNotice } from './port.ts';
import type { SavedMember } from './saved.ts';
import type { RoomSettings } from './settings.ts';

/** What a room is told. */
export type RoomInput =
  /** `secret` is fresh randomness, used when the leg founds a participant. */
  | { type: 'join'; ask: JoinAsk; secret: string }
  | { type: 'confirmed'; leg: string }
  | { type: 'absent'; leg: string; on: boolean }
  | { type: 'leave'; leg: string; why: Termination }
  /** Its front says that this leg will never return: a participant away because of it leaves at once. */
  | { type: 'gone'; leg: string; why: Termination }
  | { type: 'track'; leg: string; id: string; track: NewTrack }
  | { type: 'format'; id: string; format: Format }
  | { type: 'pause'; id: string; on: boolean }
  | { type: 'untrack'; id: string }
  | { type: 'mute'; participant: string; media: 'audio' | 'video'; on: boolean }
  | { type: 'kick'; participant: string; why: Termination }
  | { type: 'text'; from: string; text: string }
  /** To the signalling legs of a participant. */
  | { type: 'tell'; participant: string; fact: Json }
  | { type: 'settings'; settings: RoomSettings }
  /**
   * Before all else. `members` were in the room while it was in another process, and have the session keep to come
   * back. It ends in a moment when there are none, and nobody joins.
   */
  | { type: 'restore'; members: readonly SavedMember[] }
  /** The room went on in another process, and is here again: who is expected back has not much time left. */
  | { type: 'back' }
  /** The room goes on in another process: its legs are told, and nobody is said to have left. Last input. */
  | { type: 'move'; why: Termination }
  | { type: 'end'; why: Termination };

/** What a room says. */
export type RoomOutput =
  | { type: 'joined'; leg: string; joined: Joined }
  | { type: 'refused'; leg: string; why: Termination }
  | { type: 'notice'; leg: string; notice: LegNotice }
  | { type: 'event'; event: RoomEvent }
  | { type: 'source'; event: SourceEvent }
  /** Nobody is here or away any more. Last output. */
  | { type: 'ended' };
