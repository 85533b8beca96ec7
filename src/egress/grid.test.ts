import { describe, expect, it } from 'vitest';
import { Camera, texts, told, VP8 } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, settled, World } from './testing/room.ts';

const room = () => {
  const codecs = new CountingCodecs();
  return { video: codecs.video, world: new World({ codecs }) };
};
const watch = (world: World, me: string): Ears =>
  world.want(me, { kind: 'picture', source: 'grid', accept: [H264], maxBps: Number.POSITIVE_INFINITY });

describe('a grid', () => {
  it('is composed once of all cameras, whatever their codec, for all who want it', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', false, { format: VP8 });
    bob.key();
    const legs = ['alice', 'phone', 'other'].map(me => watch(world, me));
    await world.run(40);
    alice.key();
    bob.frames(1);
    const [grid] = video.grids;
    expect(video.grids.length).toBe(1);
    expect(grid!.layouts).toEqual([2]);
    expect(grid!.got.slice(0, 2)).toEqual([
      ['+H264', '!', 'sps', 'k1a', 'k1b'],
      ['+VP8', '!', 'sps', 'k1a', 'k1b', 'p2'],
    ]);
    grid!.compose('K1', true, world.now);
    grid!.compose('p2', false, world.now);
    for (const leg of legs) {
      expect(told(leg)).toEqual(['undefined grid']);
      expect(texts(leg)).toEqual(['K1', 'p2']);
      leg.subscription!.close();
    }
    await world.run(2500);
    expect(video.open).toBe(0);
    expect(world.room.asked.filter(a => a.feedback.type === 'bitrate').map(a => a.track)).toContain('alice');
  });

  it('members come and go: who stays keeps its place, as far as there is no gap', async () => {
    const { world, video } = room();
    const ears = watch(world, 'phone');
    await settled();
    expect(told(ears)).toEqual(['idle']);
    new Camera(world, 'a', true);
    await settled();
    const [grid] = video.grids;
    for (const id of ['b', 'c', 'd']) new Camera(world, id, true);
    const got = grid!.got;
    expect(grid!.layouts).toEqual([1, 2, 3, 4]);
    world.room.add({ id: 'b' }, { paused: true });
    expect(grid!.layouts.at(-1)).toBe(3);
    expect(got.map(g => g.length).slice(0, 4)).toEqual([1, 2, 1, 1]); // d moved to b's place
    for (const id of ['a', 'c']) world.room.remove(id);
    expect(grid!.layouts.at(-1)).toBe(1);
    expect(video.grids.length).toBe(1);
  });

  it('shows nine at most: those who speak', async () => {
    const { world, video } = room();
    const cameras = Array.from({ length: 11 }, (_, i) => new Camera(world, `m${i}`, true));
    watch(world, 'phone');
    await settled();
    const [grid] = video.grids;
    expect(grid!.layouts).toEqual([9]);
    world.room.speak('m10');
    await settled();
    const all = (): string[] => grid!.got.flat().filter(t => t.startsWith('k'));
    for (const camera of cameras) camera.put(`k${camera.id}`, { key: true, config: true });
    expect(all().length).toBe(9);
    expect(all()).toContain('km10');
  });

  it('asks the publisher whose keyframe is missing', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    watch(world, 'phone');
    await world.run(40);
    alice.key();
    bob.key();
    world.room.asked.length = 0;
    video.grids[0]!.o.onKeyNeeded(1);
    await world.run(400);
    const asked = world.room.asked.filter(a => a.feedback.type === 'keyframe');
    expect(asked.map(a => a.track)).toEqual(['bob']);
  });

  it('for a weak line is the same, made smaller', async () => {
    const { world, video } = room();
    new Camera(world, 'alice', true);
    const strong = watch(world, 'strong');
    const weak = watch(world, 'weak');
    let i = 0;
    world.each = () => {
      const [grid] = video.grids;
      if (grid !== undefined && i++ % 3 === 0) grid.compose('K'.repeat(7500), true, world.now);
      return true;
    };
    await world.run(500);
    weak.subscription!.feedback({ type: 'bitrate', bps: 350_000 });
    await world.run(6000);
    expect(told(strong)).toEqual(['undefined grid']);
    expect(told(weak)).toEqual(['undefined grid', 'undefined grid']);
    expect(video.grids.length).toBe(1);
    expect(video.transcoders.map(t => t.o.bitrateBps)).toEqual([300_000]);
    strong.subscription!.close();
    weak.subscription!.close();
    await world.run(6000);
    expect(video.open).toBe(0);
    expect(world.room.pulls.size).toBe(0);
  });

  it('is what one picture shows while the room is laid out so, live, and content takes its place', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    world.room.speak('alice');
    const phone = world.want('phone', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 2e6 });
    await world.run(40);
    alice.key();
    expect(told(phone)).toEqual(['alice passthrough']);
    world.room.lay('grid');
    await world.run(40);
    alice.frames(1); // who speaks stays until there is a grid
    expect(texts(phone).at(-1)).toBe('p2');
    video.grids[0]!.compose('K1', true, world.now);
    alice.frames(1);
    expect(texts(phone).at(-1)).toBe('K1');
    const screen = new Camera(world, 'slides', true, { participant: 'bob', source: 'screen' });
    await world.run(40);
    screen.key();
    video.grids[0]!.compose('p2', false, world.now);
    screen.frames(1);
    expect(texts(phone).at(-1)).toBe('p2');
    world.room.remove('slides');
    await world.run(40);
    video.grids.at(-1)!.compose('K3', true, world.now);
    world.room.lay('speaker');
    world.room.speak('bob');
    await world.run(40);
    bob.key();
    expect(told(phone)).toEqual([
      'alice passthrough',
      'undefined grid',
      'slides passthrough',
      'undefined grid',
      'bob passthrough',
    ]);
    phone.subscription!.close();
    await world.run(2500);
    expect(video.open).toBe(0);
  });

  it('that cannot be made leaves who speaks, and says why, once', async () => {
    const { world, video } = room();
    video.missing = 'Pictures need node-av.';
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    world.room.speak('alice');
    world.room.lay('grid');
    const phone = world.want('phone', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 2e6 });
    await world.run(40);
    alice.key();
    world.room.speak('bob');
    await world.run(2500);
    bob.key();
    expect(told(phone)).toEqual(['lacking', 'alice passthrough', 'bob passthrough']);
    const [e] = phone.events;
    expect(e?.type === 'lacking' && e.why).toMatchObject({
      reason: 'no-grid',
      text: 'There is no grid here, so who speaks is shown. Pictures need node-av.',
    });
  });

  it('whose worker breaks gives way to who speaks, and is tried again after 30 s', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true);
    world.room.lay('grid');
    const phone = world.want('phone', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 2e6 });
    await world.run(40);
    video.grids[0]!.compose('K1', true, world.now);
    video.grids[0]!.o.onFailed({ blame: 'server', reason: 'worker-crashed', text: 'It crashed.' });
    await world.run(40);
    alice.key();
    await world.run(1000);
    expect(video.grids.length).toBe(1);
    expect(told(phone)).toEqual(['undefined grid', 'lacking', 'alice passthrough']);
    await world.run(30_000);
    expect(video.grids.length).toBe(2);
    video.grids[1]!.compose('K2', true, world.now);
    expect(told(phone).at(-1)).toBe('undefined grid');
  });

  it('ends with the last camera, and comes back with the next', async () => {
    const { world, video } = room();
    new Camera(world, 'alice', true);
    const ears = watch(world, 'phone');
    await settled();
    video.grids[0]!.compose('K', true, world.now);
    world.room.remove('alice');
    expect(told(ears)).toEqual(['undefined grid', 'idle']);
    new Camera(world, 'bob', true);
    await world.run(100);
    video.grids[0]!.compose('K', true, world.now);
    expect(told(ears).at(-1)).toBe('undefined grid');
    expect(video.grids[0]!.got[0]).toEqual(['+H264', '+H264']);
  });
});
