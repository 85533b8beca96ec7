import { refuse } from '../kit/refusal.ts';
import type { Participant } from './participant.ts';
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
    if (who.credential !== undefined && who.credential === p.secret) return p;
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
  if (p.away) return false; // an absent claimed name comes back only by its secret
  if (!ask.roles.includes('send')) return !hasBothWays(p);
  return !ask.roles.includes('receive') && p.sendersOf(ask.track).length === 0;
}

/** A leg that sends and receives at once (a phone) is a whole member: nobody else listens as it. */
const hasBothWays = (p: Participant): boolean =>
  [...p.legs.values()].some(leg => leg.roles.includes('send') && leg.roles.includes('receive'));

/** Throws the Refusal that keeps a new participant out; those who are already in are not asked again. */
export function admit(
  ask: JoinAsk,
  room: string,
  settings: RoomSettings,
  count: number,
  banned: boolean,
): void {
  if (banned)
    throw refuse(
      'client',
      'banned',
      `${ask.who.user} was removed from room ${room} a moment ago; try again in a minute.`,
    );
  if (settings.locked)
    throw refuse('client', 'room-locked', `Room ${room} is locked; ask its host to unlock it.`);
  if (settings.pin !== undefined && ask.who.proof === 'claimed' && ask.who.credential !== settings.pin)
    throw refuse('client', 'wrong-pin', `Room ${room} needs its PIN; send it where a token would go.`);
  if (count >= settings.maxParticipants)
    throw refuse('server', 'room-full', `Room ${room} is full: ${settings.maxParticipants} members at most.`);
}
