import { createHash } from 'node:crypto';
import type { MemberInfo, NewTrack, Role, TrackInfo, Who } from '../contract.ts';
import { SessionKeep } from './session-keep.ts';

/** One protocol connection of a participant, as the room knows it. */
export interface RoomLeg {
  readonly id: string;
  /** See `JoinAsk`. */
  readonly attempt: number;
  readonly gateway: string;
  readonly roles: readonly Role[];
  readonly track: 'screen' | undefined;
  readonly participant: Participant;
  confirmed: boolean;
  /** Its network is gone for now; the leg waits for it. */
  absent: boolean;
}

export interface RoomTrack {
  info: TrackInfo;
  readonly leg: string;
  /** Paused by its publisher (hold, camera off). */
  paused: boolean;
}

/** A secret is made anew at most once a move of the room. */
const MAX_FORMER = 3;

/** What may be written down of a resume secret: it does not lead back to it. */
const keyOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

/** A joined party: a set of legs. Lives while any leg, or its session keep, lives. */
export class Participant {
  readonly id: string;
  readonly who: Who;
  /** Undefined: it was restored, and only the key of its secret is known. */
  secret: string | undefined;
  readonly #formerKeys: readonly string[];
  readonly legs = new Map<string, RoomLeg>();
  readonly tracks = new Map<string, RoomTrack>();
  readonly muted = { audio: false, video: false };
  /** Seen by others from the first confirmed leg on. */
  visible = false;
  readonly keep = new SessionKeep();

  /** `formerKeys`: of resume secrets it had in other processes, which stay good. */
  constructor(id: string, who: Who, secret: string | undefined, formerKeys: readonly string[] = []) {
    this.id = id;
    this.who = who;
    this.secret = secret;
    this.#formerKeys = formerKeys;
  }

  /** Whether `credential` is a resume secret of it. */
  isSecret(credential: string): boolean {
    if (credential === this.secret) return true;
    return this.#formerKeys.length > 0 && this.#formerKeys.includes(keyOfSecret(credential));
  }

  get secretKeys(): readonly string[] {
    if (this.secret === undefined) return this.#formerKeys;
    const key = keyOfSecret(this.secret);
    return [...this.#formerKeys.filter(k => k !== key).slice(-MAX_FORMER), key];
  }

  /** Nobody hears it now: no leg is left, or all that are wait for their network. */
  get away(): boolean {
    if (this.keep.expected) return false;
    for (const leg of this.legs.values()) if (!leg.absent) return false;
    return true;
  }

  get verified(): boolean {
    return this.who.proof === 'token' || this.who.proof === 'digest' || this.who.proof === 'ticket';
  }

  isPaused(track: RoomTrack): boolean {
    if (track.paused || track.info.source === 'screen') return track.paused; // video mute is the camera's
    return isAudio(track.info) ? this.muted.audio : this.muted.video;
  }

  /** Legs that already publish what a new leg would publish. */
  sendersOf(track: 'screen' | undefined): RoomLeg[] {
    return [...this.legs.values()].filter(leg => leg.roles.includes('send') && leg.track === track);
  }

  member(): MemberInfo {
    const protocols = new Set<string>();
    for (const leg of this.legs.values()) if (!isSignalling(leg.roles)) protocols.add(leg.gateway);
    return {
      participant: this.id,
      display: this.who.display ?? this.id,
      protocols: [...protocols],
      muted: { ...this.muted },
      state: this.away ? 'away' : 'here',
      tracks: [...this.tracks.values()].flatMap(({ info }) => (info.layerOf === undefined ? [info] : [])),
    };
  }
}

export const isSignalling = (roles: readonly Role[]): boolean => roles.every(role => role === 'signal');

export const isAudio = (track: Pick<NewTrack, 'source'>): boolean =>
  track.source === 'mic' || track.source === 'prompt';

/** A visible name from what the wire brought: no control characters, 64 characters at most, never empty. */
export function cleanName(user: string): string {
  const name = [...user.normalize('NFC').replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '')].slice(0, 64).join('').trim();
  return name === '' ? 'guest' : name;
}

/** `alice`, or `alice-2`, `alice-3` … when that is taken. */
export function freeName(wanted: string, taken: (name: string) => boolean): string {
  if (!taken(wanted)) return wanted;
  let n = 2;
  while (taken(`${wanted}-${n}`)) n++;
  return `${wanted}-${n}`;
}
