import type { Fact, Member, Slots } from './signalling.ts';
import { say } from './words.ts';

/** A member as the page shows it. */
export interface Person {
  readonly member: Member;
  readonly self: boolean;
  readonly speaks: boolean;
  /** Its camera's slot, if it is in one. */
  readonly slot: number | undefined;
  readonly shares: boolean;
}

const NO_SLOTS: Slots = { audio: [], video: [], content: null };

/** Who is in the room, as told by the server. */
export class Roster {
  self = '';
  slots: Slots = NO_SLOTS;
  readonly #members = new Map<string, Member>();
  #speaking: readonly string[] = [];
  #complete = false;

  /** Takes in what concerns it; returns what is news to those in the room. */
  take(fact: Fact): string | undefined {
    switch (fact.type) {
      case 'roster':
        this.#all(fact.members);
        return undefined;
      case 'member':
        return this.#member(fact.member);
      case 'left':
        this.#members.delete(fact.participant);
        return fact.participant === this.self ? undefined : say('hasLeft', { name: fact.participant });
      case 'speaking':
        this.#speaking = fact.participants;
        return undefined;
      case 'slots':
        this.slots = fact;
        return undefined;
      default:
        return undefined;
    }
  }

  /** In the order of joining, oneself last. */
  people(): Person[] {
    const all = [...this.#members.values()].map(member => ({
      member,
      self: member.participant === this.self,
      speaks: member.state === 'here' && this.#speaking.includes(member.participant),
      slot: slotOf(this.slots.video, member.participant),
      shares: shares(member),
    }));
    return [...all.filter(p => !p.self), ...all.filter(p => p.self)];
  }

  #all(members: readonly Member[]): void {
    const before = new Map(this.#members);
    this.#members.clear();
    for (const m of members) this.#members.set(m.participant, remembered(m, before.get(m.participant)));
    this.#complete = true;
  }

  #member(member: Member): string | undefined {
    const before = this.#members.get(member.participant);
    this.#members.set(member.participant, remembered(member, before));
    if (!this.#complete || member.participant === this.self) return undefined;
    const name = member.participant;
    if (before === undefined) return say('hasJoined', { name });
    if (shares(member) === shares(before)) return undefined;
    return say(shares(member) ? 'hasShared' : 'hasUnshared', { name });
  }
}

/** Who is away has no connection that could be named: what it had is what it will come back with. */
const remembered = (m: Member, before: Member | undefined): Member =>
  m.state === 'away' && m.protocols.length === 0 && before !== undefined
    ? { ...m, protocols: before.protocols }
    : m;

const shares = (m: Member): boolean => m.tracks.some(t => t.source === 'screen');

function slotOf(slots: readonly (string | null)[], participant: string): number | undefined {
  const slot = slots.indexOf(participant);
  return slot < 0 ? undefined : slot;
}
