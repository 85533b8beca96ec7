import { describe, expect, it } from 'vitest';
import { Camera, texts, told, VP8 } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, PCMU, settled, World } from './testing/room.ts';

const watch = (world: World, id: string, me = 'viewer'): Ears =>
  world.want(me, { kind: 'member', participant: id, source: 'camera', accept: [H264] });

describe('a viewer of a publisher that can be asked', () => {
  it('asks for a keyframe and starts with it', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', true);
    camera.key();
    const ears = watch(world, 'alice');
    await settled();
    camera.frames(2);
    expect(world.room.asked).toEqual([]); // never outside the tick
    expect(world.egress.active).toBe(true);
    world.egress.tick(world.now);
    expect(world.room.asked).toEqual([{ track: 'alice', feedback: { type: 'keyframe' } }]);
    expect(ears.events).toEqual([]);
    camera.key();
    camera.frames(1);
    expect(texts(ears)).toEqual(['sps', 'k4a', 'k4b', 'p5']);
    expect(told(ears)).toEqual(['alice passthrough']);
    expect(world.egress.active).toBe(false);
  });

  it('asks again while nothing comes, and many ask as one', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', true);
    const legs = [1, 2, 3].map(i => watch(world, 'alice', `viewer${i}`));
    await world.run(1980);
    expect(world.room.asked.length).toBe(2);
    camera.key();
    for (let i = 0; i < 10; i++) for (const leg of legs) leg.subscription!.feedback({ type: 'keyframe' });
    await world.run(400);
    expect(world.room.asked.length).toBe(2 + 1);
  });

  it('that is not seen from its first packet does not start in the middle of a keyframe', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', true);
    const ears = watch(world, 'alice');
    await settled();
    camera.put('k0b', { key: true, start: false });
    camera.frames(1);
    expect(ears.packets).toEqual([]);
    camera.key();
    expect(texts(ears)).toEqual(['sps', 'k2a', 'k2b']);
  });

  it('gets parameter sets that came before, in front of the keyframe', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', true);
    watch(world, 'alice', 'first');
    await settled();
    camera.picture++;
    camera.put('sps', { config: true, end: false });
    camera.put('pps', { config: true, start: false, end: false });
    camera.put('k1', { key: true, start: false });
    camera.frames(1);
    const ears = watch(world, 'alice');
    await settled();
    camera.picture++;
    camera.put('k3', { key: true });
    expect(texts(ears)).toEqual(['sps', 'pps', 'k3']);
    expect(ears.packets.map(p => p.seq)).toEqual([102, 103, 104]);
    expect(new Set(ears.packets.map(p => p.pts)).size).toBe(1);
  });

  it('the second-lowest bit rate goes upstream, at most once a second; the only one when alone', async () => {
    const world = new World();
    new Camera(world, 'alice', false);
    const a = watch(world, 'alice', 'a');
    const b = watch(world, 'alice', 'b');
    await settled();
    a.subscription!.feedback({ type: 'bitrate', bps: 900_000 });
    b.subscription!.feedback({ type: 'bitrate', bps: 300_000 });
    await world.run(20);
    a.subscription!.feedback({ type: 'bitrate', bps: 200_000 });
    await world.run(1100);
    b.subscription!.close();
    await world.run(2000);
    expect(world.room.asked.map(a => a.feedback)).toEqual([
      { type: 'bitrate', bps: 900_000 },
      { type: 'bitrate', bps: 300_000 }, // b's, since a has 200 kbit/s now
      { type: 'bitrate', bps: 200_000 },
    ]);
  });

  it('paused gets nothing, then starts with a keyframe again', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', true);
    const ears = watch(world, 'alice');
    await settled();
    camera.key();
    ears.subscription!.feedback({ type: 'pause', on: true });
    camera.frames(3);
    ears.subscription!.feedback({ type: 'pause', on: false });
    camera.frames(3);
    camera.key();
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'sps', 'k8a', 'k8b']);
  });
});

it('what began while a viewer had paused is not gone on with: it starts with a keyframe', async () => {
  const world = new World();
  const camera = new Camera(world, 'alice', true);
  const ears = watch(world, 'alice');
  await settled();
  ears.subscription!.feedback({ type: 'pause', on: true });
  camera.key();
  ears.subscription!.feedback({ type: 'pause', on: false });
  camera.frames(2);
  camera.key();
  expect(texts(ears)).toEqual(['sps', 'k4a', 'k4b']);
});

it('the same want again changes nothing', async () => {
  const world = new World();
  const camera = new Camera(world, 'alice', true);
  const want = { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 1e6 } as const;
  const ears = world.want('viewer', want);
  await settled();
  camera.key();
  ears.subscription!.update({ ...want });
  camera.frames(1);
  expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2']);
});

describe('a viewer of an RTMP publisher', () => {
  it('gets the current group of pictures at once, closing up to live', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    camera.frames(3);
    camera.key();
    camera.frames(40);
    const ears = watch(world, 'alice');
    await settled();
    expect(texts(ears).slice(0, 5)).toEqual(['sps', 'k4a', 'k4b', 'p5', 'p6']);
    expect(texts(ears).length).toBe(43);
    const live = camera.pts;
    expect(ears.packets.at(-1)!.pts).toBe(live);
    expect(ears.packets[0]!.pts).toBe(live - 40 * 90); // 40 pictures, 1 ms each
    camera.frames(1);
    expect(texts(ears).at(-1)).toBe('p45');
    const pts = ears.packets.map(p => p.pts);
    expect(pts).toEqual([...pts].sort((a, b) => a - b));
    expect(ears.packets.map(p => p.seq)).toEqual(ears.packets.map((_p, i) => ears.packets[0]!.seq + i));
    expect(told(ears)).toEqual(['alice passthrough']);
    expect(world.room.asked).toEqual([]);
  });

  it('in the middle of a keyframe gets all of it', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    camera.picture++;
    camera.put('sps', { config: true, end: false });
    camera.put('k1a', { key: true, start: false, end: false });
    const ears = watch(world, 'alice');
    await settled();
    camera.put('k1b', { key: true, start: false });
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b']);
  });

  it('the group begins anew with each keyframe', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    for (let i = 0; i < 5; i++) {
      camera.key();
      camera.frames(10);
    }
    const ears = watch(world, 'alice');
    await settled();
    expect(texts(ears).length).toBe(13);
    expect(texts(ears)[1]).toBe('k45a');
  });

  it.each([
    ['longer than 6 s', (c: Camera) => c.frames(125)],
    [
      'interrupted by a pause',
      (c: Camera, w: World) => {
        w.room.add({ id: c.id }, { paused: true });
        w.room.add({ id: c.id });
        c.frames(2);
      },
    ],
  ])('a group %s is not shown: the next keyframe is', async (_, spoil) => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    camera.key();
    camera.frames(2);
    spoil(camera, world);
    const ears = watch(world, 'alice');
    await settled();
    camera.frames(1);
    expect(texts(ears)).toEqual([]);
    camera.key();
    expect(texts(ears).slice(0, 2)).toEqual(['sps', `k${camera.picture}a`]);
  });

  it('holds at most 8 MB', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    camera.key();
    for (let i = 0; i < 70; i++) {
      camera.picture++;
      camera.put('x'.repeat(128 * 1024));
    }
    const ears = watch(world, 'alice');
    await settled();
    expect(ears.packets).toEqual([]);
  });

  it('that lost its picture gets it again, as a new beginning, once a second', async () => {
    const world = new World();
    const camera = new Camera(world, 'alice', false);
    camera.key();
    const ears = watch(world, 'alice');
    await settled();
    camera.frames(1);
    ears.subscription!.feedback({ type: 'keyframe' });
    expect(ears.packets.length).toBe(4);
    world.now += 1000;
    ears.subscription!.feedback({ type: 'keyframe' });
    ears.subscription!.feedback({ type: 'keyframe' });
    expect(texts(ears).slice(4)).toEqual(['sps', 'k1a', 'k1b', 'p2']);
    expect(told(ears)).toEqual(['alice passthrough', 'alice passthrough']);
    expect(world.room.asked).toEqual([]);
  });
});

describe('one picture of many', () => {
  const speaker = (world: World): Ears =>
    world.want('viewer', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 1e6 });

  it('follows the speaker, keeping the old picture until the new one has a keyframe', async () => {
    const world = new World();
    const ears = speaker(world);
    await settled();
    expect(told(ears)).toEqual(['idle']);
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    new Camera(world, 'viewer', true);
    world.room.speak('alice');
    alice.key();
    world.room.speak('bob', 'alice');
    alice.frames(1);
    bob.frames(1);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2']);
    bob.key();
    alice.frames(1);
    bob.frames(1);
    expect(texts(ears).slice(4)).toEqual(['sps', 'k2a', 'k2b', 'p3']);
    expect(told(ears)).toEqual(['idle', 'alice passthrough', 'bob passthrough']);
    world.room.speak('viewer'); // oneself is never the picture
    world.room.speak('nobody');
    world.room.remove('bob');
    expect(told(ears).length).toBe(3);
    alice.key();
    expect(told(ears).at(-1)).toBe('alice passthrough');
    world.room.remove('viewer');
    world.room.remove('alice');
    expect(told(ears).at(-1)).toBe('idle');
    ears.subscription!.close();
    world.egress.close();
    expect(world.room.pulls.size).toBe(0);
  });

  it('a change of mind before the keyframe leaves the old picture', async () => {
    const world = new World();
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true);
    world.room.speak('alice');
    const ears = speaker(world);
    await settled();
    alice.key();
    world.room.speak('bob');
    world.room.speak('alice');
    bob.key();
    alice.frames(1);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2']);
    expect(told(ears)).toEqual(['alice passthrough']);
  });

  it('content is the newest screen', async () => {
    const world = new World();
    const ears = world.want('viewer', { kind: 'picture', source: 'content', accept: [H264], maxBps: 1e6 });
    await settled();
    const first = new Camera(world, 'alice', false, { source: 'screen' });
    first.key();
    const second = new Camera(world, 'bob', false, { source: 'screen' });
    second.key();
    expect(told(ears)).toEqual(['idle', 'alice passthrough', 'bob passthrough']);
    world.room.remove('bob');
    expect(told(ears).at(-1)).toBe('alice passthrough'); // at once: its pictures were kept
  });
});

describe('a picture that cannot be served is told in words', () => {
  it.each([
    ['another codec', { format: VP8 }, /VP8 and the receiver takes H264/],
    [
      'another packetization',
      {},
      /packetization-mode 1\) and the receiver takes H264 \(packetization-mode 0\)/,
    ],
  ])('%s', async (_, o, text) => {
    const codecs = new CountingCodecs();
    codecs.video.missing = 'Pictures need node-av, which is not installed.';
    const world = new World({ codecs });
    new Camera(world, 'alice', true, o);
    const accept = [{ codec: 'H264', clockRate: 90000 }, PCMU] as const;
    const member = world.want('bob', { kind: 'member', participant: 'alice', source: 'camera', accept });
    const picture = world.want('bob', { kind: 'picture', source: 'speaker', accept, maxBps: 1e6 });
    await settled();
    world.room.speak('alice');
    for (const ears of [member, picture]) {
      expect(ears.events).toMatchObject([{ type: 'unserved', why: { reason: 'no-video-transcode' } }]);
      const [e] = ears.events;
      expect(e?.type === 'unserved' && e.why.text).toMatch(text);
    }
    expect(member.events.length).toBe(1);
  });

  it('a grid', async () => {
    const codecs = new CountingCodecs();
    codecs.video.missing = 'Pictures need node-av, which is not installed.';
    const world = new World({ codecs });
    const ears = world.want('bob', { kind: 'picture', source: 'grid', accept: [H264], maxBps: 1e6 });
    await settled();
    new Camera(world, 'alice', true);
    expect(ears.events).toMatchObject([
      { type: 'idle' },
      { type: 'lacking', why: { reason: 'no-grid', text: expect.stringContaining(codecs.video.missing) } },
    ]);
  });
});
