import type { MemberInfo, NewTrack, Role, TrackInfo, Who } from '../contract.ts';
import { type Millis, NEVER } from '../kit/core.ts';

/** One protocol connection of a participant, as the room knows it. */
export interface RoomLeg {
  readonly id: string;
  readonly gateway: string;
  readonly roles: readonly Role[];
  readonly track: 'screen' | undefined;
  readonly participant: Participant;
  confirmed: boolean;
}

export interface RoomTrack {
  info: TrackInfo;
  readonly leg: string;
  /** Paused by its publisher (hold, camera off). */
  paused: boolean;
}

/** A joined party: a set of legs. Lives while any leg, or its session keep, lives. */
export class Participant {
  readonly id: string;
  readonly who: Who;
  readonly secret: string;
  readonly legs = new Map<string, RoomLeg>();
  readonly tracks = new Map<string, RoomTrack>();
  readonly muted = { audio: false, video: false };
  /** Seen by others from the first confirmed leg on. */
  visible = false;
  /** When an `away` participant is given up; NEVER while a leg lives. */
  keepUntil: Millis = NEVER;
  /** The legs it lost since it was here last, so that their final end can be told apart. */
  lostLegs: readonly string[] = [];

  constructor(id: string, who: Who, secret: string) {
    this.id = id;
    this.who = who;
    this.secret = secret;
  }

  get away(): boolean {
    return this.legs.size === 0;
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
    for (const leg of this.legs.values())
      if (!leg.roles.every(role => role === 'signal')) protocols.add(leg.gateway);
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
