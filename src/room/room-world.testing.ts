import type { NewTrack, Role, Who } from '../contract.ts';
import { Bans } from './bans.ts';
import type { RoomInput, RoomOutput } from './messages.ts';
import { Room } from './room.ts';
import type { SavedMember } from './saved.ts';

export const MIC: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: false,
  syncGroup: 's',
};
export const TIMES = { sessionKeepMs: 120_000, banMs: 60_000 };
export const SETTINGS = { maxParticipants: 10, locked: false, layout: 'speaker' } as const;
export const HUNG_UP = { blame: 'none', reason: 'hung-up' } as const;
export const LOST = { blame: 'client', reason: 'connection-lost' } as const;

/** A room under a virtual clock; `outs` are all outputs of the last input. */
export class World {
  now = 1000;
  readonly room: Room;
  #secret = 0;
  constructor(settings: ConstructorParameters<typeof Room>[1] = SETTINGS) {
    this.room = new Room('1000', settings, TIMES, new Bans());
  }
  feed(input: RoomInput | { type: 'tick' }): RoomOutput[] {
    this.room.handle(input, this.now);
    const outs: RoomOutput[] = [];
    for (let o: RoomOutput | undefined; (o = this.room.poll()); ) outs.push(o);
    return outs;
  }
  join(
    leg: string,
    who: Partial<Who> & { user: string },
    roles: Role[] = ['send', 'receive'],
    gateway = 'sip',
    track?: 'screen',
  ) {
    const ask = { leg, gateway, roles, who: { proof: 'claimed', ...who } as Who, ...(track && { track }) };
    const outs = this.feed({ type: 'join', ask, secret: `secret-${++this.#secret}` });
    const joined = outs.find(o => o.type === 'joined');
    const refused = outs.find(o => o.type === 'refused');
    return {
      id: joined?.joined.participant,
      secret: joined?.joined.secret,
      refused: refused?.why.reason,
      outs,
    };
  }
  /** As a store has it. */
  saved(): SavedMember[] {
    return JSON.parse(JSON.stringify(this.room.saved(this.now))) as SavedMember[];
  }
  members(): string[] {
    const r = this.room.roster();
    return r.type === 'roster' ? r.members.map(m => `${m.participant}:${m.state}`) : [];
  }
}
