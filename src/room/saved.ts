import type { Who } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { Participant } from './participant.ts';
import type { SavedAbsence } from './session-keep.ts';

/** What another process must know of a member to keep its seat, should this one die: plain JSON. */
export interface SavedMember {
  readonly id: string;
  /** Without its credential. */
  readonly who: Who;
  /** `keyOfSecret` of its resume secrets: who reads these cannot come back in its place. */
  readonly secretKeys: readonly string[];
  readonly muted: { readonly audio: boolean; readonly video: boolean };
  /** Present: it is away. */
  readonly away?: SavedAbsence;
}

/** More are not saved: the rest of so large a room come back by what their own processes know of them. */
const MAX_SAVED = 1000;

/** Those whom others have seen. */
export function saveMembers(all: Iterable<Participant>, now: Millis): SavedMember[] {
  const saved: SavedMember[] = [];
  for (const p of all) {
    if (!p.visible) continue;
    if (saved.length === MAX_SAVED) break;
    const { credential: _, ...who } = p.who;
    saved.push({
      id: p.id,
      who,
      secretKeys: p.secretKeys,
      muted: { ...p.muted },
      ...(p.away && { away: p.keep.saved(now) }),
    });
  }
  return saved;
}

/** A participant whose legs have yet to come back. */
export function restoreMember(saved: SavedMember, now: Millis, keepMs: number): Participant {
  const p = new Participant(saved.id, saved.who, undefined, saved.secretKeys);
  p.muted.audio = saved.muted.audio;
  p.muted.video = saved.muted.video;
  p.visible = true;
  p.keep.restore(saved.away, now, keepMs);
  return p;
}
