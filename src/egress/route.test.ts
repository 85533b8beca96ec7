import { beforeAll, describe, expect, it } from 'vitest';
import { loadCodecs } from '../../codecs/audio.ts';
import { toneDb } from '../../codecs/testing/sound.ts';
import type { MediaPacket } from '../contract.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { AAC, type Ears, OPUS, PCMA, PCMU, settled, World } from './testing/room.ts';

beforeAll(() => loadCodecs());

const packet = (seq: number): MediaPacket => ({
  seq,
  pts: seq * 160,
  marker: false,
  payload: Uint8Array.from([seq]),
  level: 30,
});
const told = (ears: Ears): string[] =>
  ears.events.map(e => (e.type === 'serving' ? `${e.track?.id ?? ''} ${e.how}` : e.type));

describe('a track', () => {
  it('passes through untouched, at once, outside the tick', async () => {
    const world = new World();
    const info = world.room.add({ id: 'alice' });
    const ears = world.want('bob', { kind: 'track', id: 'alice', accept: [OPUS, PCMU] });
    await settled();
    world.room.send('alice', packet(7), 5);
    expect(ears.packets).toEqual([packet(7)]);
    expect(ears.at).toEqual([5]);
    expect(ears.events).toEqual([{ type: 'serving', track: info, format: PCMU, how: 'passthrough' }]);
    expect(world.egress.active).toBe(false);
  });

  it('is one flow, however many want it', async () => {
    const world = new World();
    world.room.add({ id: 'alice' });
    const legs = [1, 2, 3].map(i => world.want(`leg${i}`, { kind: 'track', id: 'alice', accept: [PCMU] }));
    await settled();
    expect(world.room.pulls.size).toBe(1);
    for (const leg of legs) leg.subscription!.close();
    expect(world.room.pulls.size).toBe(0);
  });

  it('is waited for, comes, pauses, changes and goes', async () => {
    const world = new World({ codecs: new CountingCodecs() });
    const ears = world.want('bob', { kind: 'track', id: 'alice', accept: [PCMU, PCMA] });
    await settled();
    world.room.add({ id: 'alice' }, { visible: false });
    world.room.add({ id: 'alice' });
    world.room.add({ id: 'alice' }, { paused: true });
    world.room.add({ id: 'alice' });
    world.room.add({ id: 'alice', format: PCMA });
    world.room.add({ id: 'carol' });
    world.room.remove('alice');
    world.room.send('alice', packet(1), 5);
    const passed = 'alice passthrough';
    expect(told(ears)).toEqual(['idle', passed, 'idle', passed, passed, 'idle']);
    expect(ears.packets).toEqual([]);
    expect(world.room.pulls.size).toBe(0);
  });

  it('is transcoded once for all who cannot take it', async () => {
    const codecs = new CountingCodecs();
    const world = new World({ codecs });
    world.room.add({ id: 'alice' });
    const legs = [1, 2, 3].map(i =>
      world.want(`leg${i}`, { kind: 'track', id: 'alice', accept: [AAC, OPUS] }),
    );
    await world.run(100);
    expect(codecs).toMatchObject({ encoders: 1, decoders: 1 });
    for (const leg of legs) {
      expect(told(leg)).toEqual(['alice transcode PCMU→opus']);
      expect(leg.steps()).toEqual([960]);
      leg.subscription!.close();
    }
    expect(codecs.open).toBe(0);
    expect(world.egress.active).toBe(false);
  });

  it('transcoded it sounds the same', async () => {
    const world = new World();
    await world.singer('alice', 800, PCMU);
    const ears = world.want('bob', { kind: 'track', id: 'alice', accept: [OPUS] });
    await world.run(1500);
    expect(toneDb(await ears.decode(OPUS, 48000), 800, 48000)).toBeGreaterThan(-22);
    expect(ears.steps()).toEqual([960]);
    world.egress.close();
  });

  it('that cannot be transcoded is told, with what is missing', async () => {
    const world = new World({ codecs: new CountingCodecs() });
    world.room.add({ id: 'alice' });
    const player = world.want('bob', { kind: 'track', id: 'alice', accept: [AAC] });
    const deaf = world.want('bob', { kind: 'track', id: 'alice', accept: [] });
    await settled();
    expect(player.events).toMatchObject([
      { type: 'unserved', why: { blame: 'server', text: 'AAC needs node-av, which is not installed.' } },
    ]);
    expect(deaf.events).toMatchObject([
      { type: 'unserved', why: { blame: 'client', reason: 'no-common-codec' } },
    ]);
  });

  it('hidden from others is served to its own participant', async () => {
    const world = new World();
    world.room.add({ id: 'a/0', participant: 'alice' }, { visible: false });
    const own = world.want('alice', { kind: 'track', id: 'a/0', accept: [PCMU] });
    const other = world.want('bob', { kind: 'track', id: 'a/0', accept: [PCMU] });
    await settled();
    expect(told(own)).toEqual(['a/0 passthrough']);
    expect(told(other)).toEqual(['idle']);
  });
});

describe('a member', () => {
  it('is followed from one track to the next', async () => {
    const world = new World();
    const ears = world.want('bob', { kind: 'member', participant: 'alice', source: 'mic', accept: [PCMU] });
    await settled();
    world.room.add({ id: 'a/0', participant: 'alice' });
    world.room.send('a/0', packet(1), 5);
    world.room.remove('a/0');
    world.room.add({ id: 'c/0', participant: 'carol' });
    world.room.add({ id: 'a/1', participant: 'alice' });
    world.room.send('a/1', packet(2), 6);
    expect(told(ears)).toEqual(['idle', 'a/0 passthrough', 'idle', 'a/1 passthrough']);
    expect(ears.packets.map(p => p.seq)).toEqual([1, 2]);
  });

  it('the newer of two tracks counts: a pusher that came back', async () => {
    const world = new World();
    world.room.add({ id: 'a/0', participant: 'alice' });
    const ears = world.want('bob', { kind: 'member', participant: 'alice', source: 'mic', accept: [PCMU] });
    await settled();
    world.room.add({ id: 'a/1', participant: 'alice' });
    world.room.remove('a/0');
    expect(told(ears)).toEqual(['a/0 passthrough', 'a/1 passthrough']);
  });
});

describe('the loudest', () => {
  const slots = (world: World, me: string, of: number): Ears[] =>
    Array.from({ length: of }, (_, slot) =>
      world.want(me, { kind: 'loudest', slot, of, accept: [OPUS, PCMU] }),
    );

  it('few members: each in a slot of its own, never oneself', async () => {
    const world = new World();
    for (const id of ['alice', 'bob', 'carol']) world.room.add({ id });
    const legs = slots(world, 'bob', 3);
    await settled();
    expect(legs.map(told)).toEqual([['alice passthrough'], ['carol passthrough'], ['idle']]);
    world.room.speak('carol', 'alice');
    expect(legs.map(told)).toEqual([['alice passthrough'], ['carol passthrough'], ['idle']]);
    world.room.add({ id: 'dave' });
    expect(told(legs[2]!)).toEqual(['idle', 'dave passthrough']);
  });

  it('many members: who speaks gets a slot, the others keep theirs', async () => {
    const world = new World();
    for (const id of ['alice', 'bob', 'carol', 'dave']) world.room.add({ id });
    const legs = slots(world, 'eve', 2);
    await settled();
    world.room.speak('bob');
    world.room.speak('dave', 'bob');
    expect(legs.map(told)).toEqual([['alice passthrough', 'dave passthrough'], ['bob passthrough']]);
    world.room.remove('dave');
    expect(told(legs[0]!).at(-1)).toBe('alice passthrough');
  });

  it('a muted member keeps its slot', async () => {
    const world = new World();
    for (const id of ['alice', 'carol']) world.room.add({ id });
    const legs = slots(world, 'bob', 2);
    await settled();
    world.room.add({ id: 'alice' }, { paused: true });
    world.room.add({ id: 'dave' });
    world.room.add({ id: 'alice' });
    expect(legs.map(told)).toEqual([
      ['alice passthrough', 'idle', 'alice passthrough'],
      ['carol passthrough'],
    ]);
  });
});
