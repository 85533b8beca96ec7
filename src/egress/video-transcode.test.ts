import { describe, expect, it } from 'vitest';
import type { Format } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { Camera, texts, told, VP8 } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, settled, World } from './testing/room.ts';
import { videoTarget } from './video-target.ts';

const room = () => {
  const codecs = new CountingCodecs();
  return { codecs, video: codecs.video, world: new World({ codecs }) };
};
const watch = (world: World, id: string, me = 'viewer', accept: readonly Format[] = [H264]): Ears =>
  world.want(me, { kind: 'member', participant: id, source: 'camera', accept });

describe('a picture the receiver cannot take', () => {
  it('is transcoded once for all who cannot, from a keyframe on, and no longer than someone watches', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true, { format: VP8 });
    const legs = [1, 2, 3].map(i => watch(world, 'alice', `leg${i}`));
    await world.run(40);
    expect(video.transcoders.length).toBe(1);
    expect(world.room.asked).toEqual([{ track: 'alice', feedback: { type: 'keyframe' } }]);
    alice.frames(1);
    alice.key();
    alice.frames(1);
    await settled();
    expect(video.transcoders[0]).toMatchObject({
      from: VP8,
      to: { codec: 'H264', fmtp: { 'profile-level-id': '42e01f', 'packetization-mode': '1' } },
      pushed: ['sps', 'k2a', 'k2b', 'p3'],
      o: { maxFps: 30, bitrateBps: 840_000 },
      bitrates: [840_000], // now that the size is known
    });
    for (const leg of legs) {
      expect(leg.events).toMatchObject([
        {
          type: 'serving',
          track: { id: 'alice' },
          how: 'transcode VP8→H264',
          format: { fmtp: { 'x-size': '640x480' } },
        },
      ]);
      expect(texts(leg)).toEqual(['Kxk2b', 'xp3']);
      leg.subscription!.close();
    }
    expect(video.open).toBe(1);
    await world.run(2040);
    expect(video.open).toBe(0);
    expect(world.room.pulls.size).toBe(0);
    expect(world.egress.active).toBe(false);
  });

  it('comes at once for a later viewer, who asks the encoder and not the publisher', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true, { format: VP8 });
    watch(world, 'alice', 'first');
    await world.run(40);
    alice.key();
    await settled();
    const asked = world.room.asked.length;
    const second = watch(world, 'alice', 'second');
    await world.run(400);
    expect(video.transcoders.map(t => t.keysAsked)).toEqual([2]); // once for the first viewer
    alice.frames(2);
    await settled();
    expect(texts(second)).toEqual(['Kxp2', 'xp3']);
    expect(world.room.asked.length).toBe(asked);
  });

  it('that changes its size is told with the keyframe of it', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true, { format: VP8 });
    const leg = watch(world, 'alice');
    await world.run(40);
    alice.key();
    await settled();
    const [transcoder] = video.transcoders;
    transcoder!.o.onFormat({ ...transcoder!.to, fmtp: { 'x-size': '360x640' } });
    transcoder!.requestKey();
    alice.frames(2);
    await settled();
    expect(leg.events.map(e => e.type === 'serving' && e.format.fmtp?.['x-size'])).toEqual([
      '640x480',
      '360x640',
    ]);
    expect(texts(leg)).toEqual(['Kxk1b', 'Kxp2', 'xp3']);
  });

  it('of an RTMP publisher is transcoded from the kept pictures on', async () => {
    const { world, video } = room();
    const format = { ...H264, fmtp: { ...H264.fmtp, 'x-reorder': '2', 'profile-level-id': '64001f' } };
    const alice = new Camera(world, 'alice', false, { format });
    alice.key();
    alice.frames(2);
    const accept = [{ ...H264, fmtp: { ...H264.fmtp, 'x-reorder': '0', 'profile-level-id': '64001f' } }];
    const ears = watch(world, 'alice', 'viewer', accept);
    await settled();
    await settled();
    const [transcoder] = video.transcoders;
    expect(transcoder!.pushed).toEqual(['sps', 'k1a', 'k1b', 'p2', 'p3']);
    expect(transcoder!.restarts).toBe(1);
    transcoder!.o.onKeyNeeded(); // too slow for so many: not once more
    await world.run(1500);
    expect(transcoder!.pushed.length).toBe(5);
    expect(told(ears)).toEqual(['alice transcode H264→H264']);
    expect(world.room.asked).toEqual([]);
  });

  it('a decoder that lost its way asks the publisher, on the tick', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true, { format: VP8 });
    watch(world, 'alice');
    await world.run(40);
    alice.key();
    const before = world.room.asked.length;
    video.transcoders[0]!.o.onKeyNeeded();
    expect(world.room.asked.length).toBe(before);
    await world.run(400);
    expect(world.room.asked.length).toBe(before + 1);
  });

  it('stays what it was until the other way to show it is ready', async () => {
    const { world, video } = room();
    let open = (): void => {};
    video.gate = new Promise(done => (open = done));
    const alice = new Camera(world, 'alice', true);
    const bob = new Camera(world, 'bob', true, { format: VP8 });
    world.room.speak('alice');
    const ears = world.want('viewer', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 1e6 });
    await settled();
    alice.key();
    world.room.speak('bob');
    await world.run(500);
    alice.frames(1);
    open();
    await settled();
    alice.frames(1);
    bob.key();
    await settled();
    alice.frames(1);
    expect(texts(ears)).toEqual(['sps', 'k1a', 'k1b', 'p2', 'p3', 'Kxk1b']);
    expect(told(ears)).toEqual(['alice passthrough', 'bob transcode VP8→H264']);
  });
});

describe('a picture that cannot be transcoded', () => {
  it('is told in words, and tried again after half a minute', async () => {
    const { world, video } = room();
    video.failure = refuse('server', 'video-worker-failed', 'The worker did not start.');
    const alice = new Camera(world, 'alice', true, { format: VP8 });
    const ears = watch(world, 'alice');
    await world.run(100);
    alice.key();
    expect(ears.events).toMatchObject([{ type: 'unserved', why: { reason: 'video-worker-failed' } }]);
    expect(world.room.pulls.size).toBe(0);
    video.failure = undefined;
    await world.run(31_000);
    alice.key();
    await settled();
    expect(told(ears)).toEqual(['unserved', 'alice transcode VP8→H264']);
  });

  it('nor any longer: only those who need it are told', async () => {
    const { world, video } = room();
    const alice = new Camera(world, 'alice', true);
    const needs = watch(world, 'alice', 'needs', [VP8]);
    const takes = watch(world, 'alice', 'takes');
    await world.run(40);
    alice.key();
    await settled();
    video.transcoders[0]!.o.onFailed({
      blame: 'server',
      reason: 'video-worker-failed',
      text: 'It fell twice.',
    });
    alice.frames(1);
    await settled();
    expect(told(needs)).toEqual(['alice transcode H264→VP8', 'unserved']);
    expect(told(takes)).toEqual(['alice passthrough']);
    expect(takes.packets.length).toBe(4);
  });

  it('of a speaker leaves the picture of the one before', async () => {
    const { world, video } = room();
    video.missing = 'Pictures need node-av, which is not installed.';
    const alice = new Camera(world, 'alice', true);
    new Camera(world, 'bob', true, { format: VP8 });
    world.room.speak('alice');
    const ears = world.want('viewer', { kind: 'picture', source: 'speaker', accept: [H264], maxBps: 1e6 });
    await settled();
    alice.key();
    world.room.speak('bob');
    alice.frames(1);
    expect(texts(ears).at(-1)).toBe('p2');
    expect(told(ears)).toEqual(['alice passthrough']);
    world.room.remove('alice');
    expect(told(ears)).toEqual(['alice passthrough', 'unserved']);
  });
});

describe('what is encoded', () => {
  const h264 = (fmtp: Record<string, string>): Format => ({ codec: 'H264', clockRate: 90000, fmtp });
  const mode1 = { 'packetization-mode': '1' };
  it.each([
    ['any player: 720p at most', [h264(mode1)], 'full', 'H264 42e01f 1 30 full'],
    ['a browser', [VP8, h264({ ...mode1, 'profile-level-id': '640034' })], 'full', 'H264 42e01f 1 30 full'],
    [
      'a phone of level 1.3',
      [h264({ ...mode1, 'profile-level-id': '42800d' })],
      'full',
      'H264 42e00d 1 30 full',
    ],
    [
      'the same with max-fs and max-mbps of VGA',
      [h264({ ...mode1, 'profile-level-id': '42800d', 'max-fs': '1620', 'max-mbps': '40500' })],
      'full',
      'H264 42e01e 1 30 full',
    ],
    ['a phone of mode 0', [h264({ 'profile-level-id': '42801e' })], 'full', 'H264 42e01e 0 30 full'],
    ['VP8 rather than mode 0', [h264({}), VP8], 'full', 'VP8 3600 30 full'],
    [
      'VP8 with limits of its own',
      [{ ...VP8, fmtp: { 'max-fs': '777', 'max-fr': '17' } }],
      'full',
      'VP8 396 15 full',
    ],
    ['few bits', [h264(mode1)], 300_000, 'H264 42e01e 1 30 300000'],
    ['very few bits', [h264(mode1)], 150_000, 'H264 42e014 1 15 150000'],
    ['few bits of VP8', [VP8], 150_000, 'VP8 396 15 150000'],
  ] as const)('for %s', (_, accept, share, key) => expect(videoTarget(accept, share)?.key).toBe(key));
  it('for one who takes no video: nothing', () => {
    expect(videoTarget([{ codec: 'PCMU', clockRate: 8000 }], 'full')).toBeUndefined();
  });
});
