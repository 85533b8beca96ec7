import type { DurableEvents } from '../bus/events.ts';
import type { MemberInfo } from '../contract.ts';
import type { RoomNews } from './room-node.ts';

/** Turns what rooms show their watchers into facts: who joined, left, went away and came back. A move of the room is none. */
export class RoomJournal {
  readonly #events: Pick<DurableEvents, 'publish'>;
  readonly #states = new Map<string, Map<string, MemberInfo['state']>>();

  constructor(events: Pick<DurableEvents, 'publish'>) {
    this.#events = events;
  }

  note(room: string, e: RoomNews): void {
    switch (e.type) {
      case 'created':
        return this.#events.publish({ type: 'room.created', room });
      case 'ended':
        this.#states.delete(room);
        return this.#events.publish({ type: 'room.ended', room });
      case 'taken-over':
        return void this.#states.set(room, new Map(e.members.map(m => [m.id, m.state])));
      case 'given-up':
        return void this.#states.delete(room);
      case 'member':
        return this.#member(room, e.member);
      case 'left':
        this.#states.get(room)?.delete(e.participant);
        if (e.why.reason === 'room-moved') return; // it is in the room, which is elsewhere
        return this.#events.publish({
          type: 'participant.left',
          room,
          participant: e.participant,
          why: e.why,
        });
    }
  }

  #member(room: string, { participant, state }: MemberInfo): void {
    const states = this.#states.get(room) ?? new Map<string, MemberInfo['state']>();
    this.#states.set(room, states);
    const before = states.get(participant);
    states.set(participant, state);
    if (before === state) return;
    const became = state === 'away' ? 'participant.away' : 'participant.back';
    this.#events.publish({ type: before === undefined ? 'participant.joined' : became, room, participant });
  }
}
