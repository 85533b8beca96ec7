import type { NewTrack, Termination } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { TrackState } from '../media/room-source.ts';
import { freeName, isSignalling, Participant, type RoomLeg, type RoomTrack } from './participant.ts';
import type { JoinAsk, Reclaim } from './port.ts';

interface Published {
  readonly track: RoomTrack;
  readonly participant: Participant;
}

/** Who is in a room, or may come back to it, with which legs and tracks. */
export class Members {
  readonly #participants = new Map<string, Participant>();
  readonly #legs = new Map<string, RoomLeg>();
  readonly #tracks = new Map<string, Published>();

  get size(): number {
    return this.#participants.size;
  }
  /** A copy: they may leave while they are gone through. */
  get all(): Participant[] {
    return [...this.#participants.values()];
  }
  get visible(): Participant[] {
    return this.all.filter(p => p.visible);
  }
  get legs(): RoomLeg[] {
    return [...this.#legs.values()];
  }
  get(id: string): Participant | undefined {
    return this.#participants.get(id);
  }
  leg(id: string): RoomLeg | undefined {
    return this.#legs.get(id);
  }
  track(id: string): Published | undefined {
    return this.#tracks.get(id);
  }
  *tracks(): Iterable<TrackState> {
    for (const { track, participant } of this.#tracks.values()) yield stateOf(track, participant);
  }

  /** Who is away for want of this leg: it was placed with another agent meanwhile. */
  waitingFor(leg: string): Participant | undefined {
    return this.all.find(p => p.keep.waitsFor(leg));
  }

  freeName(wanted: string): string {
    return freeName(wanted, n => this.#participants.has(n));
  }
  add(p: Participant): Participant {
    this.#participants.set(p.id, p);
    return p;
  }
  /** Its legs have gone before. */
  remove(p: Participant): void {
    this.#participants.delete(p.id);
  }

  /** One more leg of `p`. */
  seat(p: Participant, { leg: id, attempt = 1, gateway, roles, track }: JoinAsk): RoomLeg {
    const leg: RoomLeg = {
      id,
      attempt,
      gateway,
      roles,
      track,
      participant: p,
      confirmed: false,
      absent: false,
    };
    p.legs.set(id, leg);
    this.#legs.set(id, leg);
    p.keep.came();
    return leg;
  }
  /** Answers with the ids of the tracks that go with it. */
  unseat(leg: RoomLeg): string[] {
    this.#legs.delete(leg.id);
    leg.participant.legs.delete(leg.id);
    const gone = [...leg.participant.tracks].flatMap(([id, track]) => (track.leg === leg.id ? [id] : []));
    for (const id of gone) this.unpublish(id);
    return gone;
  }

  publish(leg: RoomLeg, id: string, track: NewTrack): RoomTrack {
    const { participant } = leg;
    const made: RoomTrack = {
      info: { ...track, id, participant: participant.id },
      leg: leg.id,
      paused: false,
    };
    participant.tracks.set(id, made);
    this.#tracks.set(id, { track: made, participant });
    return made;
  }
  unpublish(id: string): void {
    this.#tracks.get(id)?.participant.tracks.delete(id);
    this.#tracks.delete(id);
  }

  /** A participant of this room while it was elsewhere, of whom nothing was saved. */
  reclaim(ask: JoinAsk, { participant, display, secret, muted }: Reclaim): Participant {
    const id = this.freeName(participant);
    if (id !== participant && isSignalling(ask.roles))
      throw refuse(
        'server',
        'name-taken',
        `While the room moved to another process somebody else became ${participant}; join again.`,
      );
    const name = display === participant ? id : display;
    const p = new Participant(id, { ...ask.who, display: name }, secret);
    p.muted.audio = muted.audio;
    p.muted.video = muted.video;
    return this.add(p);
  }
}

/** The legs of `p` that what `ask` publishes anew replaces, and what they are told. */
export function staleSenders(p: Participant, ask: JoinAsk): { legs: readonly RoomLeg[]; why: Termination } {
  const why: Termination = {
    blame: 'client',
    reason: 'replaced',
    text: `${p.id} has joined again from another connection.`,
  };
  const legs = ask.roles.includes('send') ? p.sendersOf(ask.track) : [];
  // A leg that comes back after its link broke is older than one that came meanwhile, and was not told of it.
  if (ask.reclaim !== undefined && legs.length > 0) throw new Refusal(why);
  return { legs, why };
}

export const stateOf = (track: RoomTrack, p: Participant): TrackState => ({
  info: track.info,
  paused: p.isPaused(track),
  visible: p.visible || track.info.early === true,
});
