import { describe, expect, it } from 'vitest';
import { HUNG_UP, LOST, TIMES, World } from './room-world.testing.ts';

describe('a seat', () => {
  it('of who was lost is kept for 120 s: 119 s back, 121 s gone', () => {
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
  it('is given up when the front of who is away says that it will not return', () => {
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

describe('a return that fails', () => {
  const NO_PORT = { blame: 'server', reason: 'agent-full' } as const;
  const returning = () => {
    const w = new World();
    const { secret: credential } = w.join('a', { user: 'alice' });
    w.feed({ type: 'confirmed', leg: 'a' });
    w.join('z', { user: 'zoe' });
    w.feed({ type: 'confirmed', leg: 'z' });
    w.feed({ type: 'leave', leg: 'a', why: LOST });
    w.now += 60_000;
    return { w, back: (leg: string) => w.join(leg, { user: 'alice', credential: credential as string }) };
  };

  it('whatever the reason, leaves the seat to the next try', () => {
    const { w, back } = returning();
    back('a2');
    const outs = w.feed({ type: 'leave', leg: 'a2', why: NO_PORT });
    expect(outs.flatMap(o => (o.type === 'event' ? [o.event.type] : []))).toEqual(['member']);
    expect(w.members()).toEqual(['alice:away', 'zoe:here']);
    expect(back('a3').id).toBe('alice');
  });
  it('does not make the keep last longer', () => {
    for (const why of [LOST, NO_PORT]) {
      const { w, back } = returning();
      back('a2');
      w.now += 59_000;
      w.feed({ type: 'leave', leg: 'a2', why });
      w.now += 999;
      w.feed({ type: 'tick' });
      expect(w.members()).toEqual(['alice:away', 'zoe:here']);
      w.now += 1;
      expect(w.room.deadline).toBe(w.now);
      w.feed({ type: 'tick' });
      expect(w.members()).toEqual(['zoe:here']);
    }
  });
  it('is over with its member when that hangs up', () => {
    const { w, back } = returning();
    back('a2');
    w.feed({ type: 'leave', leg: 'a2', why: HUNG_UP });
    expect(w.members()).toEqual(['zoe:here']);
  });
  it('begins a new keep when it was there in between', () => {
    const { w, back } = returning();
    back('a2');
    w.feed({ type: 'confirmed', leg: 'a2' });
    w.now += 1000;
    w.feed({ type: 'leave', leg: 'a2', why: LOST });
    expect(w.room.deadline).toBe(w.now + TIMES.sessionKeepMs);
    back('a3');
    w.feed({ type: 'confirmed', leg: 'a3' });
    w.feed({ type: 'leave', leg: 'a3', why: NO_PORT });
    expect(w.members()).toEqual(['zoe:here']);
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
