import { describe, expect, it } from 'vitest';
import type { RoomOutput } from './messages.ts';
import { HUNG_UP, LOST, MIC, SETTINGS, TIMES, World } from './room-world.testing.ts';

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
    const saved = before.saved();
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
    w.feed({ type: 'restore', members: before.saved() });
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
  it('knows who was away already, for how long yet, and which leg it lost', () => {
    for (const next of ['keep', 'gone'] as const) {
      const before = new World();
      before.join('a', { user: 'ann' });
      before.join('b', { user: 'bob' });
      for (const leg of ['a', 'b']) before.feed({ type: 'confirmed', leg });
      before.feed({ type: 'leave', leg: 'b', why: LOST });
      before.now += 100_000;
      const w = new World();
      w.now = 7;
      w.feed({ type: 'restore', members: before.saved() });
      expect(w.members()).toEqual(['ann:here', 'bob:away']);
      if (next === 'gone') expect(left(w.feed({ type: 'gone', leg: 'b', why: HUNG_UP }))).toEqual(['bob']);
      w.now += 19_999;
      w.feed({ type: 'tick' });
      expect(w.members()).toEqual(next === 'keep' ? ['ann:away', 'bob:away'] : ['ann:away']);
      w.now += 1;
      expect(left(w.feed({ type: 'tick' }))).toEqual(next === 'keep' ? ['bob'] : []);
    }
  });
  it('leaves who has almost no time left the time that legs take to come', () => {
    const before = new World();
    const { secret } = before.join('b', { user: 'bob' });
    before.feed({ type: 'confirmed', leg: 'b' });
    before.feed({ type: 'leave', leg: 'b', why: LOST });
    before.now += 119_999;
    const w = new World();
    w.feed({ type: 'restore', members: before.saved() });
    w.now += 4000;
    w.feed({ type: 'tick' });
    expect(w.join('c', { user: 'bob', credential: secret! }).id).toBe('bob');
  });
  it('ends when nobody comes whom it was opened for', () => {
    const w = new World();
    w.feed({ type: 'restore', members: [] });
    w.now += 5000;
    expect(w.room.deadline).toBe(w.now);
    expect(w.feed({ type: 'tick' })).toEqual([{ type: 'ended' }]);
  });
  it('says of who went on elsewhere that it moved, when its time here is over', () => {
    const w = new World();
    w.join('a', { user: 'ann' });
    w.join('b', { user: 'bob' });
    for (const leg of ['a', 'b']) w.feed({ type: 'confirmed', leg });
    w.feed({ type: 'leave', leg: 'b', why: { blame: 'server', reason: 'room-moved' } });
    expect(w.members()).toEqual(['ann:here', 'bob:here']);
    w.now += TIMES.sessionKeepMs;
    expect(w.feed({ type: 'tick' })).toMatchObject([
      { event: { type: 'left', participant: 'bob', why: { reason: 'room-moved' } } },
    ]);
  });
  it('calls away who went on elsewhere when the room is here again, and it is not back in time', () => {
    const w = new World();
    const { secret } = w.join('a', { user: 'ann' });
    w.join('b', { user: 'bob' });
    for (const leg of ['a', 'b']) {
      w.feed({ type: 'confirmed', leg });
      w.feed({ type: 'leave', leg, why: { blame: 'server', reason: 'room-moved' } });
    }
    w.feed({ type: 'back' });
    w.join('a', { user: 'ann', credential: secret! });
    w.now += 5000;
    w.feed({ type: 'tick' });
    expect(w.members()).toEqual(['ann:here', 'bob:away']);
  });
});
