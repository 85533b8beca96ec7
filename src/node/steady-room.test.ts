import { beforeEach, describe, expect, it } from 'vitest';
import { FakeRoom } from '../../test/harness/fake-room.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import type { NewTrack, Role, RoomEvent } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { SourceEvent } from '../media/room-source.ts';
import type { JoinAsk, LegNotice } from '../room/port.ts';
import { settle } from './room-node.testing.ts';
import { SteadyRoom } from './steady-room.ts';

const MIC: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: false,
  syncGroup: 's',
};
const MOVED = { blame: 'server', reason: 'room-moved' } as const;
const LOST = { blame: 'server', reason: 'room-lost' } as const;
const HUNG_UP = { blame: 'none', reason: 'hung-up' } as const;
const noFeedback = (): void => {};

/** A room that is at `there`, and then elsewhere. */
class World {
  readonly clock = new VirtualClock(1000);
  there: FakeRoom | undefined = new FakeRoom('1000');
  readonly suspected: boolean[] = [];
  readonly abandoned: string[] = [];
  readonly renamed: string[] = [];
  readonly steady = new SteadyRoom({
    room: '1000',
    clock: this.clock,
    find: async (_room, _address, suspect) => {
      this.suspected.push(suspect);
      if (this.there === undefined) throw refuse('server', 'no-room-node', 'There is none.');
      return this.there;
    },
    renamed: (leg, participant) => void this.renamed.push(`${leg} ${participant}`),
    abandon: room => void this.abandoned.push(room),
  });

  /** Resolves when it has joined. */
  async join(leg: string, more: Partial<JoinAsk> = {}): Promise<LegNotice[]> {
    const told: LegNotice[] = [];
    const roles: Role[] = ['send', 'receive'];
    const ask: JoinAsk = { leg, gateway: 'test', who: { user: leg, proof: 'claimed' }, roles, ...more };
    const joining = this.steady.join(ask, n => void told.push(n));
    joining.catch(() => {});
    await this.run(500);
    await joining;
    return told;
  }
  /** The room goes on at another port; legs are told by `tell`. */
  moves(tell: (before: FakeRoom) => void = before => this.close(before, MOVED)): FakeRoom {
    const before = this.there as FakeRoom;
    const next = new FakeRoom('1000');
    this.there = next;
    tell(before);
    return next;
  }
  close(port: FakeRoom, why: typeof MOVED | typeof LOST, legs = [...port.notify.keys()]): void {
    for (const leg of legs) port.notify.get(leg)?.({ type: 'close', why });
  }
  async run(ms: number): Promise<void> {
    await settle();
    for (let left = ms; left > 0; left -= 50) {
      this.clock.run(Math.min(50, left));
      await settle();
    }
  }
}

const did = (port: FakeRoom): string[] => port.calls.map(c => c.split(' {')[0] as string);

let w: World;
beforeEach(() => {
  w = new World();
});

describe('the room goes on elsewhere', () => {
  it('and a leg goes with it: as who it was, with what it published and said of itself', async () => {
    const told = await w.join('a');
    const mic = w.steady.publish('a', 'a/0', MIC, noFeedback);
    mic.pause(true);
    mic.clock(160, 20);
    w.steady.confirmed('a');
    w.steady.absent('a', true);
    w.there?.notify.get('a')?.({ type: 'mute', media: 'video', on: true });
    const next = w.moves();
    await w.run(100);
    expect(did(next)).toEqual([
      'join a',
      'publish a a/0',
      'pause a/0 true',
      'clock a/0 160 20',
      'confirmed a',
      'absent a true',
    ]);
    expect(next.calls[0]).toContain('"secret":"secret of a"');
    expect(next.calls[0]).toContain('"muted":{"audio":false,"video":true}');
    expect(told.filter(n => n.type === 'close')).toEqual([]);
  });

  it('while it joins: it joins there', async () => {
    const first = w.there as FakeRoom;
    const join = first.join.bind(first);
    let next: FakeRoom | undefined;
    first.join = async (ask, on) => {
      const joined = await join(ask, on);
      next = w.moves(); // its answer and the news come in one packet
      return joined;
    };
    const told = await w.join('a');
    expect([did(next as FakeRoom)[0], told]).toEqual(['join a', []]);
  });

  it('while one leg joins and another is in: both go on', async () => {
    await w.join('a');
    const first = w.there as FakeRoom;
    const mic = w.steady.publish('a', 'a/0', MIC, noFeedback);
    // This one is refused before the other hears of it.
    first.refusal = refuse('server', 'room-elsewhere', 'Another process hosts it.');
    const next = w.moves(() => {});
    await w.join('b');
    await w.run(500);
    expect(did(next).sort()).toEqual(['join a', 'join b', 'publish a a/0']);
    mic.sink({ seq: 1, pts: 0, marker: false, payload: Buffer.alloc(1) }, 0);
    expect(next.packets.get('a/0')).toHaveLength(1);
  });

  it('and what it publishes on the way is published once', async () => {
    await w.join('a');
    const next = w.moves();
    const join = next.join.bind(next);
    next.join = async (ask, on) => {
      const joined = await join(ask, on);
      queueMicrotask(() => w.steady.publish('a', 'a/0', MIC, noFeedback)); // it is in, and does not know it yet
      return joined;
    };
    await w.run(100);
    expect(did(next)).toEqual(['join a', 'publish a a/0']);
  });

  it('and a leg that hangs up on the way leaves there', async () => {
    await w.join('a');
    const next = w.moves();
    w.steady.leave('a', HUNG_UP);
    await w.run(100);
    expect([did(next), next.left.get('a')]).toEqual([['join a', 'leave a none hung-up'], HUNG_UP]);
  });

  it('and a leg that takes the place of one that hung up on the way stays', async () => {
    await w.join('a');
    const next = w.moves();
    let open = (): void => {};
    next.gate = new Promise(done => (open = done));
    await w.run(100);
    w.steady.leave('a', HUNG_UP);
    const again = w.join('a');
    await settle();
    open();
    const told = await again;
    w.steady.publish('a', 'a/0', MIC, noFeedback);
    w.steady.confirmed('a');
    expect(next.left.has('a')).toBe(false);
    expect(did(next).slice(-2)).toEqual(['publish a a/0', 'confirmed a']);
    const third = w.moves();
    await w.run(100);
    expect([did(third), told]).toEqual([['join a', 'publish a a/0', 'confirmed a'], []]);
  });

  it('where somebody else has its name: it is told its new one, and who signals must ask anew', async () => {
    await w.join('a');
    const told = await w.join('s', { roles: ['signal'] });
    const first = w.there as FakeRoom;
    const next = w.moves(() => {});
    const join = next.join.bind(next);
    next.join = async (ask, on) => ({ ...(await join(ask, on)), participant: `${ask.who.user}-2` });
    w.close(first, MOVED);
    await w.run(100);
    expect(w.renamed).toEqual(['a a-2']);
    expect(told).toMatchObject([{ type: 'close', why: { reason: 'name-taken' } }]);
    expect(next.left.has('s')).toBe(true);
  });

  it('in the same bus, another link: nothing is heard of the old one', async () => {
    await w.join('a');
    const first = w.there as FakeRoom;
    const next = w.moves();
    await w.run(100);
    const heard: SourceEvent[] = [];
    w.steady.on(e => void heard.push(e));
    for (const listener of first.listeners) listener({ type: 'speakers', participants: ['a'] });
    expect([heard, first.watchers.size, next.listeners.size]).toEqual([[], 0, 1]);
  });
});

describe('who watches', () => {
  it('watches on, the same function twice as two watches, and none is left behind', async () => {
    await w.join('a');
    const seen: RoomEvent[] = [];
    const on = (e: RoomEvent): void => void seen.push(e);
    const undo = [w.steady.watch(on), w.steady.watch(on)];
    const first = w.there as FakeRoom;
    const next = w.moves();
    await w.run(100);
    expect([first.watchers.size, next.watchers.size]).toEqual([0, 2]);
    for (const stop of undo) stop();
    expect(next.watchers.size).toBe(0);
  });

  it('is told that tracks and speakers are gone, and of those that are there', async () => {
    await w.join('a');
    const first = w.there as FakeRoom;
    const track = { info: { ...MIC, id: 'z/0', participant: 'z' }, paused: false, visible: true };
    first.known.set('z/0', track);
    const heard: SourceEvent[] = [];
    w.steady.on(e => void heard.push(e));
    const next = w.moves(() => {});
    next.known.set('y/0', { ...track, info: { ...track.info, id: 'y/0' } });
    next.loudest = ['y'];
    w.close(first, MOVED);
    await w.run(100);
    expect(heard.map(e => ('id' in e ? e.id : 'track' in e ? e.track.info.id : e.type))).toEqual([
      'z/0',
      'speakers',
      'y/0',
      'speakers',
      'layout',
    ]);
  });
});

describe('its process does not answer', () => {
  it('the way is looked for by one, who suspects it', async () => {
    await w.join('a');
    await w.join('b');
    w.suspected.length = 0;
    const next = w.moves(before => w.close(before, LOST));
    await w.run(100);
    expect([w.suspected, did(next)]).toEqual([[true], ['join a', 'join b']]);
  });

  it('nor is there another: after three seconds its legs end, and the room with them', async () => {
    const told = await w.join('a');
    const first = w.there as FakeRoom;
    w.there = undefined;
    w.close(first, LOST);
    await w.run(2500);
    expect(told).toEqual([]);
    await w.run(2000);
    expect(told).toEqual([{ type: 'close', why: LOST }]);
    expect(w.abandoned).toEqual(['1000']);
  });

  it('and a leg left meanwhile: nobody is told of its end, and nothing is looked for any more', async () => {
    const told = await w.join('a');
    const first = w.there as FakeRoom;
    w.there = undefined;
    w.close(first, LOST);
    await w.run(100);
    w.steady.leave('a', HUNG_UP);
    await w.run(6000);
    expect(told).toEqual([]);
    const looked = w.suspected.length;
    await w.run(60_000);
    expect(w.suspected).toHaveLength(looked);
  });
});

describe('the store names another host', () => {
  it('than that where its legs are: they go there, and are kept in the old copy without a word', async () => {
    await w.join('a');
    const first = w.there as FakeRoom;
    const next = w.moves(() => {});
    await w.steady.follow();
    await w.run(100);
    expect(first.left.get('a')).toMatchObject({ reason: 'room-moved' });
    expect(did(next)).toEqual(['join a']);
  });
  it('or the same: nothing happens', async () => {
    await w.join('a');
    await w.steady.follow();
    await w.run(100);
    expect(did(w.there as FakeRoom)).toEqual(['join a']);
  });
});
