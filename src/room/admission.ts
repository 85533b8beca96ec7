import type { Millis } from '../kit/core.ts';
import { refuse } from '../kit/refusal.ts';
import type { Participant } from './participant.ts';
import type { PinTries } from './pin-tries.ts';
import type { JoinAsk } from './port.ts';
import type { RoomSettings } from './settings.ts';

/**
 * Which participant a new leg belongs to; undefined: it is a new one.
 * A leg joins another's participant only with its resume secret or an equal, verified credential. A claimed name
 * takes nothing over; it may only complete a member of the same gateway whose other half is claimed too
 * (RTMP push + `play ?as=`, WHIP + WHEP): listening legs always, a sending one where nothing is sent yet.
 */
export function findParticipant(
  ask: JoinAsk,
  name: string,
  all: Iterable<Participant>,
): Participant | undefined {
  const { who } = ask;
  for (const p of all) {
    if (ask.reclaim !== undefined && p.isSecret(ask.reclaim.secret)) return p;
    if (who.credential !== undefined && p.isSecret(who.credential)) return p;
    if (ask.reclaim !== undefined) continue; // it is who it was, or nobody
    if (p.who.user !== who.user && p.id !== name) continue;
    if (isVerified(ask)) {
      if (p.verified) return p;
    } else if (who.proof === 'claimed' && p.who.proof === 'claimed' && p.id === name && completes(ask, p))
      return p;
  }
  return undefined;
}

/** A trunk vouches for a number, not for one person: two phones behind one caller id are two participants. */
const isVerified = (ask: JoinAsk): boolean =>
  ask.who.proof === 'token' || ask.who.proof === 'digest' || ask.who.proof === 'ticket';

function completes(ask: JoinAsk, p: Participant): boolean {
  for (const leg of p.legs.values()) if (leg.gateway !== ask.gateway) return false;
  if (p.away || p.legs.size === 0) return false; // an absent claimed name comes back only by its secret
  if (!ask.roles.includes('send')) return !hasBothWays(p);
  return !ask.roles.includes('receive') && p.sendersOf(ask.track).length === 0;
}

/** A leg that sends and receives at once (a phone) is a whole member: nobody else listens as it. */
const hasBothWays = (p: Participant): boolean =>
  [...p.legs.values()].some(leg => leg.roles.includes('send') && leg.roles.includes('receive'));

/** What a room knows when somebody new is at the door. */
export interface Door {
  readonly room: string;
  readonly settings: RoomSettings;
  /** Participants inside. */
  readonly count: number;
  readonly banned: boolean;
  readonly tries: PinTries;
}

/** Throws the Refusal that keeps a new participant out; those who are already in are not asked again. */
export function admit(ask: JoinAsk, door: Door, now: Millis): void {
  const { room, settings } = door;
  if (door.banned)
    throw refuse(
      'client',
      'banned',
      `${ask.who.user} was removed from room ${room} a moment ago; try again in a minute.`,
    );
  if (ask.who.returning)
    throw refuse(
      'client',
      'not-authorized',
      `This ticket has expired, and ${ask.who.user} has no seat in room ${room} any more; ask for a new one.`,
    );
  if (settings.locked)
    throw refuse('client', 'room-locked', `Room ${room} is locked; ask its host to unlock it.`);
  if (settings.pin !== undefined && ask.who.proof === 'claimed') checkPin(ask, door, settings.pin, now);
  if (door.count >= settings.maxParticipants)
    throw refuse('server', 'room-full', `Room ${room} is full: ${settings.maxParticipants} members at most.`);
}

function checkPin({ who }: JoinAsk, { room, tries }: Door, pin: string, now: Millis): void {
  if (!tries.allows(room, who.address, now))
    throw refuse('client', 'too-many-tries', `Too many wrong PINs for room ${room}; wait a minute.`);
  if (who.credential === pin) return;
  // Who sends none has not guessed, nor has who comes back with the secret of a room that has ended: PINs are digits.
  if (/^\d{1,12}$/.test(who.credential ?? '')) tries.wrong(room, who.address, now);
  throw refuse('client', 'wrong-pin', `Room ${room} needs its PIN; send it where a token would go.`);
}
