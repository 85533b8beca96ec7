import { describe, expect, it } from 'vitest';
import type { NewTrack, Role, Who } from '../contract.ts';
import { Bans } from './bans.ts';
import { Room, type RoomInput, type RoomOutput } from './room.ts';

const MIC: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: false,
  syncGroup: 's',
};
const TIMES = { sessionKeepMs: 120_000, banMs: 60_000 };
const SETTINGS = { maxParticipants: 10, locked: false, layout: 'speaker' } as const;
const HUNG_UP = { blame: 'none', reason: 'hung-up' } as const;
const LOST = { blame: 'client', reason: 'connection-lost' } as const;

/** A room under a virtual clock; `outs` are all outputs of the last input. */
class World {
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
  members(): string[] {
    const r = this.room.roster();
    return r.type === 'roster' ? r.members.map(m => `${m.participant}:${m.state}`) : [];
  }
}

describe('who is who', () => {
  it('keeps two phones with one caller id apart, also behind a trunk', () => {
    const w = new World();
    expect(w.join('a', { user: 'alice' }).id).toBe('alice');
    expect(w.join('b', { user: 'alice' }).id).toBe('alice-2');
    expect(w.join('c', { user: '4711', proof: 'trunk' }).id).toBe('4711');
    expect(w.join('d', { user: '4711', proof: 'trunk' }).id).toBe('4711-2');
  });
  it('joins the halves of one claimed member of the same gateway, and no more', () => {
    const w = new World();
    expect(w.join('push', { user: 'wx' }, ['send'], 'rtmp').id).toBe('wx');
    expect(w.join('play1', { user: 'wx' }, ['receive'], 'rtmp').id).toBe('wx');
    expect(w.join('play2', { user: 'wx' }, ['receive'], 'rtmp').id).toBe('wx');
    expect(w.join('push2', { user: 'wx' }, ['send'], 'rtmp').id).toBe('wx-2');
    expect(w.join('whep', { user: 'wx' }, ['receive'], 'webrtc').id).toBe('wx-3');
  });
  it('lets nobody listen as a phone by its name', () => {
    const w = new World();
    w.join('a', { user: 'alice' });
    expect(w.join('b', { user: 'alice' }, ['receive'], 'sip').id).toBe('alice-2');
  });
  it('takes a leg with the resume secret into the same participant and closes the stale publisher', () => {
    const w = new World();
    const { secret } = w.join('stomp', { user: 'bob' }, ['signal'], 'stomp');
    w.join('whip1', { user: 'bob', credential: secret! }, ['send'], 'webrtc');
    const again = w.join('whip2', { user: 'bob', credential: secret! }, ['send'], 'webrtc');
    expect(again.id).toBe('bob');
    expect(again.outs).toContainEqual(
      expect.objectContaining({
        type: 'notice',
        leg: 'whip1',
        notice: expect.objectContaining({ type: 'close' }),
      }),
    );
    expect(
      w
        .join('screen', { user: 'bob', credential: secret! }, ['send'], 'webrtc', 'screen')
        .outs.filter(o => o.type === 'notice'),
    ).toEqual([]);
  });
  it('takes an equal token into the same participant, but not a claimed name', () => {
    const w = new World();
    w.join('a', { user: 'eve', proof: 'token' }, ['send'], 'rtmp');
    expect(w.join('b', { user: 'eve', proof: 'token' }, ['receive'], 'webrtc').id).toBe('eve');
    expect(w.join('c', { user: 'eve' }, ['receive'], 'rtmp').id).toBe('eve-2');
  });
  it('cleans names: no control characters, bounded, never empty', () => {
    const w = new World();
    expect(w.join('a', { user: '\u0000\n ' }).id).toBe('guest');
    expect(w.join('b', { user: 'x'.repeat(500) }).id).toHaveLength(64);
  });
});

describe('coming and going', () => {
  it('shows a member only once confirmed, with its tracks', () => {
    const w = new World();
    w.join('a', { user: 'alice' });
    expect(
      w.feed({ type: 'track', leg: 'a', id: 'a/0', track: MIC }).filter(o => o.type === 'event'),
    ).toEqual([]);
    expect(w.members()).toEqual([]);
    const outs = w.feed({ type: 'confirmed', leg: 'a' });
    expect(w.members()).toEqual(['alice:here']);
    expect(outs).toContainEqual(
      expect.objectContaining({
        type: 'source',
        event: expect.objectContaining({ track: expect.objectContaining({ visible: true }) }),
      }),
    );
  });
  it('is gone with the last who leaves', () => {
    const w = new World();
    w.join('a', { user: 'alice' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.join('b', { user: 'bob' });
    expect(w.feed({ type: 'leave', leg: 'a', why: HUNG_UP }).at(-1)?.type).toBe('event');
    expect(w.feed({ type: 'leave', leg: 'b', why: HUNG_UP }).at(-1)).toEqual({ type: 'ended' });
    expect(w.room.deadline).toBe(Number.POSITIVE_INFINITY);
  });
  it('ends at once when its only caller is refused', () => {
    const w = new World({ ...SETTINGS, pin: '1234' });
    const { refused, outs } = w.join('a', { user: 'alice', credential: '9999' });
    expect(refused).toBe('wrong-pin');
    expect(outs.at(-1)).toEqual({ type: 'ended' });
  });
  it('keeps the seat of who was lost for 120 s: 119 s back, 121 s gone', () => {
    for (const [awayMs, back] of [
      [119_000, true],
      [121_000, false],
    ] as const) {
      const w = new World();
      const { secret } = w.join('a', { user: 'alice' }, ['send'], 'webrtc');
      w.feed({ type: 'confirmed', leg: 'a' });
      w.join('b', { user: 'bob' });
      w.feed({ type: 'leave', leg: 'a', why: LOST });
      expect(w.members()).toEqual(['alice:away']);
      w.now += awayMs;
      const left = w.feed({ type: 'tick' }).filter(o => o.type === 'event' && o.event.type === 'left');
      expect(left).toHaveLength(back ? 0 : 1);
      const { id } = w.join('c', { user: 'alice', credential: secret! }, ['send'], 'webrtc');
      expect(id).toBe('alice');
      expect(w.members()).toEqual(back ? ['alice:here'] : []);
    }
  });
  it('gives up who is away when its front says it will not return', () => {
    const w = new World();
    w.join('a', { user: 'alice' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'leave', leg: 'a', why: LOST });
    expect(w.feed({ type: 'gone', leg: 'a', why: HUNG_UP }).at(-1)).toEqual({ type: 'ended' });
  });
});

describe('a leg whose agent died', () => {
  const away = (w: World): string => {
    const { secret } = w.join('a', { user: 'alice' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.join('z', { user: 'zoe' });
    w.feed({ type: 'confirmed', leg: 'z' });
    w.feed({ type: 'leave', leg: 'a', why: LOST });
    return secret as string;
  };
  it('comes back by the secret alone, without leave or join', () => {
    const w = new World();
    const credential = away(w);
    expect(w.members()).toEqual(['alice:away', 'zoe:here']);
    expect(w.join('x', { user: 'alice' }).id).toBe('alice-2'); // the name is not enough
    w.feed({ type: 'leave', leg: 'x', why: HUNG_UP });
    const { id, outs } = w.join('a2', { user: 'alice', credential });
    expect(id).toBe('alice');
    expect(outs.flatMap(o => (o.type === 'event' ? [o.event.type] : []))).toEqual(['member']);
    expect(w.members()).toEqual(['alice:here', 'zoe:here']);
  });
  it('stays away when a return fails, and is given up with the leg it lost first', () => {
    const w = new World();
    const credential = away(w);
    w.join('a2', { user: 'alice', credential });
    w.feed({ type: 'leave', leg: 'a2', why: LOST });
    expect(w.members()).toEqual(['alice:away', 'zoe:here']);
    w.feed({ type: 'gone', leg: 'a', why: HUNG_UP });
    expect(w.members()).toEqual(['zoe:here']);
  });
  it('that is back is not given up by a late word about the lost one', () => {
    const w = new World();
    const credential = away(w);
    w.join('a2', { user: 'alice', credential });
    w.feed({ type: 'confirmed', leg: 'a2' });
    w.feed({ type: 'leave', leg: 'a2', why: LOST });
    w.feed({ type: 'gone', leg: 'a', why: HUNG_UP });
    expect(w.members()).toEqual(['alice:away', 'zoe:here']);
  });
});

describe('the host’s hand', () => {
  it('kicks, bans for a while, and keeps no seat', () => {
    const w = new World();
    w.join('a', { user: 'alice', address: '192.0.2.1' });
    w.join('b', { user: 'bob' });
    w.feed({ type: 'confirmed', leg: 'a' });
    const outs = w.feed({ type: 'kick', participant: 'alice', why: { blame: 'none', reason: 'kicked' } });
    expect(outs).toContainEqual({
      type: 'notice',
      leg: 'a',
      notice: { type: 'close', why: { blame: 'none', reason: 'kicked' } },
    });
    expect(w.join('c', { user: 'alice', address: '192.0.2.1' }).refused).toBe('banned');
    expect(w.join('d', { user: 'alice', address: '192.0.2.2' }).id).toBe('alice');
    w.now += TIMES.banMs + 1;
    expect(w.join('e', { user: 'alice', address: '192.0.2.1' }).id).toBe('alice-2');
  });
  it('mutes: the tracks pause, the legs are told, a later leg too', () => {
    const w = new World();
    const { secret } = w.join('a', { user: 'alice' }, ['send'], 'webrtc');
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'track', leg: 'a', id: 'a/0', track: MIC });
    const outs = w.feed({ type: 'mute', participant: 'alice', media: 'audio', on: true });
    expect(outs).toContainEqual(
      expect.objectContaining({
        type: 'source',
        event: expect.objectContaining({ track: expect.objectContaining({ paused: true }) }),
      }),
    );
    expect(outs).toContainEqual({
      type: 'notice',
      leg: 'a',
      notice: { type: 'mute', media: 'audio', on: true },
    });
    expect(w.feed({ type: 'mute', participant: 'alice', media: 'audio', on: true })).toEqual([]);
    expect(w.join('b', { user: 'alice', credential: secret! }, ['receive'], 'webrtc').outs).toContainEqual({
      type: 'notice',
      leg: 'b',
      notice: { type: 'mute', media: 'audio', on: true },
    });
  });
  it('says a fact to the signalling legs of one participant, and to no other', () => {
    const w = new World();
    const { secret } = w.join('stomp', { user: 'bob' }, ['signal'], 'stomp');
    w.join('whep', { user: 'bob', credential: secret! }, ['receive'], 'webrtc');
    w.join('other', { user: 'eve' }, ['signal'], 'stomp');
    expect(w.feed({ type: 'tell', participant: 'bob', fact: { type: 'slots' } })).toEqual([
      { type: 'notice', leg: 'stomp', notice: { type: 'fact', fact: { type: 'slots' } } },
    ]);
  });
  it('refuses in words when locked, full or without the PIN', () => {
    expect(new World({ ...SETTINGS, locked: true }).join('a', { user: 'a' }).refused).toBe('room-locked');
    const full = new World({ ...SETTINGS, maxParticipants: 1 });
    full.join('a', { user: 'a' });
    expect(full.join('b', { user: 'b' }).refused).toBe('room-full');
    const pin = new World({ ...SETTINGS, pin: '1234' });
    expect(pin.join('a', { user: 'a', credential: '1234' }).id).toBe('a');
    expect(pin.join('b', { user: 'b' }).refused).toBe('wrong-pin');
    expect(pin.join('c', { user: 'c', proof: 'token' }).id).toBe('c');
  });
  it('looks at no PIN of a source that has guessed ten times, for a minute; others come in', () => {
    const w = new World({ ...SETTINGS, pin: '1234' });
    w.join('host', { user: 'host', proof: 'token' });
    const guess = (leg: string, credential: string, address: string) =>
      w.join(leg, { user: leg, credential, address }).refused;
    for (let i = 0; i < 10; i++) expect(guess(`g${i}`, String(4000 + i), '192.0.2.6')).toBe('wrong-pin');
    expect(guess('g', '1234', '192.0.2.6')).toBe('too-many-tries');
    expect(guess('h', '1234', '192.0.2.7')).toBeUndefined();
    w.now += 60_000;
    expect(guess('g', '1234', '192.0.2.6')).toBeUndefined();
  });
});

describe('layout', () => {
  it('is told when it changes, and only then', () => {
    const w = new World();
    w.join('a', { user: 'a' });
    const layout = (settings: ConstructorParameters<typeof Room>[1]): RoomOutput[] =>
      w.feed({ type: 'settings', settings });
    expect(layout({ ...SETTINGS, locked: true })).toEqual([]);
    expect(layout({ ...SETTINGS, layout: 'grid' })).toEqual([
      { type: 'source', event: { type: 'layout', layout: 'grid' } },
    ]);
    expect(layout({ ...SETTINGS, layout: 'grid', locked: true })).toEqual([]);
    expect(layout(SETTINGS)).toEqual([{ type: 'source', event: { type: 'layout', layout: 'speaker' } }]);
  });
});

describe('speakers', () => {
  it('are told when they change, loudest first', () => {
    const w = new World();
    for (const leg of ['a', 'b']) {
      w.join(leg, { user: leg });
      w.feed({ type: 'confirmed', leg });
      w.feed({ type: 'track', leg, id: `${leg}/0`, track: MIC });
    }
    for (let i = 0; i < 20; i++) {
      w.now += 20;
      w.room.detector.note('a', 127, w.now);
      w.room.detector.note('b', 20, w.now);
    }
    expect(w.feed({ type: 'tick' })).toContainEqual({
      type: 'event',
      event: { type: 'speaking', participants: ['b'] },
    });
    expect(w.room.speakers()).toEqual(['b']);
  });
});

describe('smaller copies of a picture (simulcast)', () => {
  it('are tracks of the room, and told to nobody', () => {
    const w = new World();
    w.join('a', { user: 'alice' });
    w.feed({ type: 'confirmed', leg: 'a' });
    const camera: NewTrack = { ...MIC, source: 'camera', format: { codec: 'VP8', clockRate: 90_000 } };
    w.feed({ type: 'track', leg: 'a', id: 'a/0', track: camera });
    w.feed({ type: 'track', leg: 'a', id: 'a/1', track: { ...camera, layerOf: 'a/0' } });
    const roster = w.room.roster();
    expect(roster.type === 'roster' && roster.members[0]!.tracks.map(t => t.id)).toEqual(['a/0']);
    w.feed({ type: 'mute', participant: 'alice', media: 'video', on: true });
    expect([...w.room.tracks()].map(t => [t.info.id, t.paused])).toEqual([
      ['a/0', true],
      ['a/1', true],
    ]);
  });
});

describe('who comes back with a ticket that has expired', () => {
  it('takes the seat that is still there, from the stale leg too, and gets no other', () => {
    const w = new World();
    const who = { user: 'wx', proof: 'ticket' } as const;
    w.join('other', { user: 'bob' });
    w.join('push1', who, ['send'], 'rtmp');
    w.feed({ type: 'confirmed', leg: 'push1' });
    const again = w.join('push2', { ...who, returning: true }, ['send'], 'rtmp');
    expect(again.id).toBe('wx');
    expect(again.outs[0]).toMatchObject({
      type: 'notice',
      leg: 'push1',
      notice: { why: { reason: 'replaced' } },
    });
    w.feed({ type: 'leave', leg: 'push2', why: LOST });
    expect(w.members()).toEqual(['wx:away']); // bob was not seen yet
    expect(w.join('push3', { ...who, returning: true }, ['send'], 'rtmp').id).toBe('wx');
    w.feed({ type: 'leave', leg: 'push3', why: HUNG_UP });
    expect(w.join('push4', { ...who, returning: true }, ['send'], 'rtmp').refused).toBe('not-authorized');
  });
});

describe('a leg without a network', () => {
  const stateTold = (outs: RoomOutput[]): string[] =>
    outs.flatMap(o => (o.type === 'event' && o.event.type === 'member' ? [o.event.member.state] : []));

  it('makes its participant away only when all its legs are absent, and back with the first that returns', () => {
    const w = new World();
    const { secret } = w.join('a', { user: 'bob' });
    w.join('b', { user: 'bob', credential: secret! }, ['receive']);
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'track', leg: 'a', id: 'a/0', track: MIC });
    expect(stateTold(w.feed({ type: 'absent', leg: 'a', on: true }))).toEqual([]);
    expect(stateTold(w.feed({ type: 'absent', leg: 'b', on: true }))).toEqual(['away']);
    expect(w.feed({ type: 'absent', leg: 'b', on: true })).toEqual([]);
    expect(w.members()).toEqual(['bob:away']);
    expect([...w.room.tracks()].map(t => t.info.id)).toEqual(['a/0']);
    expect(stateTold(w.feed({ type: 'absent', leg: 'a', on: false }))).toEqual(['here']);
    expect(w.members()).toEqual(['bob:here']);
  });
  it('is not given up by the room: the leg decides', () => {
    const w = new World();
    w.join('a', { user: 'bob' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'absent', leg: 'a', on: true });
    w.now += 10 * TIMES.sessionKeepMs;
    w.feed({ type: 'tick' });
    expect(w.members()).toEqual(['bob:away']);
    const outs = w.feed({ type: 'leave', leg: 'a', why: { blame: 'client', reason: 'did-not-return' } });
    expect(outs.map(o => (o.type === 'event' ? o.event.type : o.type))).toEqual(['left', 'ended']);
  });
  it('is replaced by the one its member comes back with', () => {
    const w = new World();
    const { secret } = w.join('a', { user: 'bob' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'absent', leg: 'a', on: true });
    const again = w.join('b', { user: 'bob', credential: secret! });
    expect(again.id).toBe('bob');
    expect(stateTold(again.outs)).toEqual(['here']);
    expect(w.feed({ type: 'absent', leg: 'a', on: false })).toEqual([]);
  });
  it('is told of nobody who was not seen yet', () => {
    const w = new World();
    w.join('a', { user: 'bob' });
    expect(w.feed({ type: 'absent', leg: 'a', on: true })).toEqual([]);
  });
});

describe('a room that comes from another process', () => {
  const left = (outs: RoomOutput[]): string[] =>
    outs.flatMap(o => (o.type === 'event' && o.event.type === 'left' ? [o.event.participant] : []));
  /** Two members at a node that is gone, and the room at its successor. */
  const moved = () => {
    const before = new World();
    const bob = before.join('b', { user: 'bob' });
    const carol = before.join('c', { user: 'carol', display: 'Carol' });
    for (const leg of ['b', 'c']) before.feed({ type: 'confirmed', leg });
    before.join('d', { user: 'dave' }); // still ringing
    before.feed({ type: 'mute', participant: 'bob', media: 'audio', on: true });
    const saved = JSON.parse(JSON.stringify(before.room.saved())) as ReturnType<Room['saved']>;
    const w = new World({ ...SETTINGS, locked: true });
    w.feed({ type: 'restore', members: saved });
    return { before, w, saved, bob: bob.secret!, carol: carol.secret! };
  };

  it('writes down no secret, and nobody who was not seen', () => {
    const { saved, bob } = moved();
    expect(saved.map(m => m.id)).toEqual(['bob', 'carol']);
    expect(JSON.stringify(saved)).not.toContain(bob);
  });
  it('has its members from the start; each returns as it was, muted, though the room is locked', () => {
    const { w, bob } = moved();
    expect(w.members()).toEqual(['bob:here', 'carol:here']);
    const back = w.join('b', { user: 'bob', credential: bob });
    expect([back.id, back.secret]).toEqual(['bob', bob]);
    expect(back.outs).toContainEqual({
      type: 'notice',
      leg: 'b',
      notice: { type: 'mute', media: 'audio', on: true },
    });
    expect(w.join('x', { user: 'bob' }).refused).toBe('room-locked');
  });
  it('calls away whom nobody has brought in time, and gives it up after the session keep', () => {
    const { w, bob } = moved();
    w.join('b', { user: 'bob', credential: bob });
    w.now += 5000;
    w.feed({ type: 'tick' });
    expect(w.members()).toEqual(['bob:here', 'carol:away']);
    w.now += TIMES.sessionKeepMs - 5000;
    expect(left(w.feed({ type: 'tick' }))).toEqual(['carol']);
  });
  it('takes who comes back unsaved, keeps names unique and lets no name be had without its secret', () => {
    const { w } = moved();
    const muted = { audio: false, video: true };
    const reclaim = (participant: string, secret: string) => ({
      participant,
      display: participant,
      secret,
      muted,
    });
    const join = (leg: string, user: string, r: ReturnType<typeof reclaim>) => {
      const ask = {
        leg,
        gateway: 'sip',
        roles: ['send'],
        who: { user, proof: 'claimed' },
        reclaim: r,
      } as const;
      return w.feed({ type: 'join', ask, secret: 'fresh' });
    };
    const dave = join('d', 'dave', reclaim('dave', 's-dave'));
    expect(dave[0]).toMatchObject({ type: 'joined', joined: { participant: 'dave', secret: 's-dave' } });
    expect(dave).toContainEqual({
      type: 'notice',
      leg: 'd',
      notice: { type: 'mute', media: 'video', on: true },
    });
    // Another carol, of whom nothing was saved: who only sends and hears gets another name, who signals must ask.
    expect(join('e', 'carol', reclaim('carol', 's'))[0]).toMatchObject({
      joined: { participant: 'carol-2', display: 'carol-2' },
    });
    const who = { user: 'carol', proof: 'claimed' } as const;
    const signals = {
      leg: 's',
      gateway: 'stomp',
      roles: ['signal'],
      who,
      reclaim: reclaim('carol', 'other'),
    } as const;
    expect(w.feed({ type: 'join', ask: signals, secret: 'fresh' })[0]).toMatchObject({
      why: { reason: 'name-taken' },
    });
    expect(w.join('f', { user: 'carol' }, ['receive']).refused).toBe('room-locked');
  });
  it('keeps both secrets of a member that proved itself by a token first', () => {
    const before = new World();
    before.join('x', { user: 'x' }); // so that the secrets of this test differ
    const old = before.join('a', { user: 'bob', proof: 'token' }).secret!;
    before.feed({ type: 'confirmed', leg: 'a' });
    const w = new World();
    w.feed({ type: 'restore', members: before.room.saved() });
    const anew = w.join('b', { user: 'bob', proof: 'token' }).secret!;
    expect(anew).not.toBe(old);
    expect(w.join('c', { user: 'bob', credential: old }).id).toBe('bob');
    expect(w.join('d', { user: 'bob', credential: anew }).id).toBe('bob');
  });
  it('tells its legs when it goes on, and calls nobody gone', () => {
    const { before } = moved();
    const why = { blame: 'server', reason: 'room-moved' } as const;
    const outs = before.feed({ type: 'move', why });
    expect(outs.flatMap(o => (o.type === 'notice' ? [[o.leg, o.notice.type]] : []))).toEqual([
      ['b', 'close'],
      ['c', 'close'],
      ['d', 'close'],
    ]);
    expect(left(outs)).toEqual([]);
    expect(outs.at(-1)).toEqual({ type: 'ended' });
  });
  it('takes a leg again that came by another link, with what it publishes', () => {
    const w = new World();
    const { secret } = w.join('a', { user: 'bob' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.feed({ type: 'track', leg: 'a', id: 'a/0', track: MIC });
    const again = w.join('a', { user: 'bob', credential: secret! });
    expect([again.id, w.members(), [...w.room.tracks()]]).toEqual(['bob', ['bob:here'], []]);
    expect(w.feed({ type: 'track', leg: 'a', id: 'a/0', track: MIC })[0]?.type).toBe('source');
  });
});
