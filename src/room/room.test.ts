import { describe, expect, it } from 'vitest';
import type { NewTrack } from '../contract.ts';
import type { RoomOutput } from './messages.ts';
import { HUNG_UP, MIC, SETTINGS, TIMES, World } from './room-world.testing.ts';
import type { RoomSettings } from './settings.ts';

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
    const layout = (settings: RoomSettings): RoomOutput[] => w.feed({ type: 'settings', settings });
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
