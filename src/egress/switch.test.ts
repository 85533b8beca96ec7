import { describe, expect, it } from 'vitest';
import { Vp8View } from '../../codecs/vp8/descriptor.ts';
import type { Format } from '../contract.ts';
import { Camera, texts, told, VP8 } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, mark, settled, World } from './testing/room.ts';

const quiet = () => new World({ codecs: new CountingCodecs() });
const speaker = (world: World, accept: readonly Format[] = [H264], me = 'viewer'): Ears =>
  world.want(me, { kind: 'picture', source: 'speaker', accept, maxBps: 1e6 });

describe('the picture of who speaks', () => {
  it('a member without a camera who speaks does not blank it', async () => {
    const world = quiet();
    const alice = new Camera(world, 'alice', true);
    world.room.add({ id: 'phone' });
    world.room.speak('alice');
    const ears = speaker(world);
    await settled();
    alice.key();
    world.room.speak('phone');
    world.room.speak('phone', 'alice');
    alice.frames(1);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2']);
    expect(told(ears)).toEqual(['alice passthrough']);
  });

  it('is what someone shares, while someone does; who shares goes on seeing who speaks', async () => {
    const world = quiet();
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    world.room.speak('alice');
    const ears = speaker(world);
    const sharer = speaker(world, [H264], 'bob');
    await settled();
    alice.key();
    const screen = new Camera(world, 'screen', true, { participant: 'bob', source: 'screen' });
    alice.frames(1);
    screen.key();
    bob.key();
    alice.frames(1);
    world.room.speak('bob'); // matters not now
    expect(told(ears)).toEqual(['alice passthrough', 'screen passthrough']);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2', 'sps', 'k1a', 'k1b']);
    expect(told(sharer)).toEqual(['alice passthrough']);
    world.room.remove('screen');
    bob.key();
    expect(told(ears).at(-1)).toBe('bob passthrough');
  });

  it('does not flicker when two speak at once, and follows at last', async () => {
    const world = quiet();
    const cameras = ['alice', 'bob', 'carol'].map(id => new Camera(world, id, true));
    const all = (): void => {
      for (const c of cameras) c.key();
    };
    world.room.speak('alice');
    const ears = speaker(world);
    await settled();
    all();
    world.room.speak('bob', 'alice');
    all();
    for (let i = 0; i < 9; i++) {
      world.room.speak(...(i % 2 ? ['bob', 'alice'] : ['alice', 'bob']));
      all();
      await world.run(200);
    }
    expect(told(ears)).toEqual(['alice passthrough', 'bob passthrough']);
    world.room.speak('alice', 'bob');
    await world.run(400);
    all();
    expect(told(ears).at(-1)).toBe('alice passthrough');
    world.room.speak('carol'); // alice is silent: no reason to wait
    all();
    expect(told(ears).at(-1)).toBe('carol passthrough');
  });

  it('is never oneself, not even when one is alone', async () => {
    const world = quiet();
    const me = new Camera(world, 'viewer', true);
    const ears = speaker(world);
    await settled();
    me.key();
    expect(told(ears)).toEqual(['idle']);
    const alice = new Camera(world, 'alice', true);
    alice.key();
    world.room.speak('viewer');
    me.key();
    world.room.remove('alice');
    me.key();
    expect(told(ears)).toEqual(['idle', 'alice passthrough', 'idle']);
  });

  it('VP8 goes on without a jump of picture ids, and without one at all at the source', async () => {
    const world = quiet();
    new Camera(world, 'alice', true, { format: VP8 });
    new Camera(world, 'bob', true, { format: VP8 });
    const ears = speaker(world, [VP8]);
    await settled();
    const send = (track: string, seq: number, id: readonly number[], key: boolean): void => {
      const head = key ? [0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 0, 0x40, 0] : [0x11, 2, 0];
      const payload = Uint8Array.from([
        id.length > 0 ? 0x90 : 0x10,
        ...(id.length > 0 ? [0x80, ...id] : []),
        ...head,
      ]);
      world.room.send(
        track,
        { seq, pts: seq * 3000, marker: true, payload, frame: mark({ key }) },
        world.now,
      );
    };
    world.room.speak('alice');
    send('alice', 7, [0x80 | 0x12, 0x34], true);
    send('alice', 8, [0x80 | 0x12, 0x35], false);
    world.room.speak('bob');
    send('alice', 9, [0x80 | 0x12, 0x36], false);
    send('bob', 1, [], true);
    send('bob', 2, [], false);
    const view = new Vp8View();
    const ids = ears.packets.map(p => {
      view.read(p.payload);
      return view.pictureId;
    });
    expect(ids.map(id => id - ids[0]!)).toEqual([0, 1, 2, 3, 4]);
    expect(ears.packets.map(p => p.frame?.key)).toEqual([true, false, false, true, false]);
    expect(told(ears)).toEqual(['alice passthrough', 'bob passthrough']);
  });
});

describe('a track that changes', () => {
  const small = { ...H264, fmtp: { ...H264.fmtp, 'profile-level-id': '42e01e', 'x-size': '640x480' } };
  const upright = { ...H264, fmtp: { ...H264.fmtp, 'profile-level-id': '42e01e', 'x-size': '360x640' } };
  const large = { ...H264, fmtp: { ...H264.fmtp, 'profile-level-id': '42e028', 'x-size': '1920x1080' } };
  const accept = [{ ...H264, fmtp: { ...H264.fmtp, 'profile-level-id': '42e01f' } }];

  it('its size goes on untouched: told with the keyframe that shows it', async () => {
    const world = quiet();
    const alice = new Camera(world, 'alice', true, { format: small });
    const ears = speaker(world, accept);
    await settled();
    alice.key();
    world.room.add({ id: 'alice', format: upright });
    alice.frames(1);
    alice.key();
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2', 'sps', 'k3a', 'k3b']);
    expect(ears.events).toMatchObject([{ format: small }, { format: upright }]);
  });

  it('beyond what the receiver takes is never passed on: transcoded, and back', async () => {
    const world = quiet();
    const alice = new Camera(world, 'alice', true, { format: small });
    const ears = speaker(world, accept);
    await settled();
    alice.key();
    world.room.add({ id: 'alice', format: large });
    await settled();
    alice.key();
    await settled();
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'Kxk2b']);
    world.room.add({ id: 'alice', format: small });
    alice.frames(1);
    await settled();
    alice.key();
    expect(texts(ears).slice(4)).toEqual(['xp3', 'sps', 'k4a', 'k4b']);
    expect(told(ears)).toEqual(['alice passthrough', 'alice transcode H264→H264', 'alice passthrough']);
  });

  it('in its codec, too', async () => {
    const world = quiet();
    const alice = new Camera(world, 'alice', true, { format: H264 });
    const ears = speaker(world, [H264]);
    await settled();
    alice.key();
    world.room.add({ id: 'alice', format: VP8 });
    await settled();
    alice.key();
    await settled();
    expect(told(ears)).toEqual(['alice passthrough', 'alice transcode VP8→H264']);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'Kxk2b']);
  });
});

describe('slots of cameras', () => {
  const slots = (world: World, of: number): Ears[] =>
    Array.from({ length: of }, (_, slot) =>
      world.want('viewer', { kind: 'cameras', slot, of, accept: [H264], maxBps: 1e6 }),
    );
  const keys = (cameras: readonly Camera[]): void => {
    for (const c of cameras) c.key();
  };

  it('carry the others, each in its own; members come and go', async () => {
    const world = quiet();
    const ears = slots(world, 2);
    const alice = new Camera(world, 'alice', true);
    new Camera(world, 'viewer', true);
    world.room.add({ id: 'phone' });
    const bob = new Camera(world, 'bob', true);
    const carol = new Camera(world, 'carol', true);
    await settled();
    keys([alice, bob, carol]);
    expect(ears.map(told)).toEqual([['alice passthrough'], ['bob passthrough']]);
    world.room.speak('bob');
    world.room.speak('carol', 'bob');
    keys([alice, bob, carol]);
    expect(ears.map(e => told(e).at(-1))).toEqual(['carol passthrough', 'bob passthrough']);
    world.room.remove('alice');
    world.room.add({ id: 'bob' }, { paused: true });
    expect(ears.map(e => told(e).at(-1))).toEqual(['carol passthrough', 'idle']);
    world.room.add({ id: 'bob' });
    keys([bob]);
    expect(ears.map(e => told(e).at(-1))).toEqual(['carol passthrough', 'bob passthrough']);
  });

  it('a slot changes hands with a keyframe', async () => {
    const world = quiet();
    const [ears] = slots(world, 1);
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    await settled();
    alice.key();
    world.room.speak('bob');
    alice.frames(1);
    bob.key();
    alice.frames(1);
    expect(texts(ears!)).toEqual(['sps', 'k1a', 'k1b', 'p2', 'sps', 'k1a', 'k1b']);
    expect(told(ears!)).toEqual(['alice passthrough', 'bob passthrough']);
  });
});
