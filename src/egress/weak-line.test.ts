import { describe, expect, it } from 'vitest';
import { Camera, texts, told } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, settled, World } from './testing/room.ts';

const BPS = { type: 'bitrate' } as const;

/** Alice's camera at 1 Mbit/s: a picture of 7500 bytes every 60 ms; a keyframe when asked, else every three seconds. */
class Stream extends Camera {
  everyTicks = 3;
  readonly #room: World['room'];
  readonly #asks: boolean;
  #asked = 0;
  constructor(world: World, canKeyframe = true, o: object = {}) {
    super(world, 'alice', canKeyframe, o);
    this.#room = world.room;
    this.#asks = canKeyframe;
    let i = 0;
    world.each = () => {
      if (i++ % this.everyTicks === 0) this.#next();
      return true;
    };
  }
  #next(): void {
    const asked = this.#room.asked.filter(a => a.track === 'alice' && a.feedback.type === 'keyframe').length;
    const key = this.#asks ? asked > this.#asked : this.picture % 50 === 0;
    this.#asked = asked;
    this.picture++;
    this.put(`${key ? 'k' : 'p'}${'.'.repeat(7500)}`, { key, config: key });
  }
}
const cameras = (world: World, me: string, maxBps = Number.POSITIVE_INFINITY): Ears =>
  world.want(me, { kind: 'cameras', slot: 0, of: 1, accept: [H264], maxBps });
const room = () => {
  const codecs = new CountingCodecs();
  return { video: codecs.video, world: new World({ codecs }) };
};
const asked = (world: World): number[] =>
  world.room.asked.flatMap(({ feedback }) => (feedback.type === 'bitrate' ? [feedback.bps] : []));

describe('one weak receiver', () => {
  it('gets a smaller picture of its own; others and the publisher do not notice', async () => {
    const { world, video } = room();
    new Stream(world);
    const weak = cameras(world, 'weak');
    const others = ['a', 'b'].map(me => cameras(world, me));
    await settled();
    for (const leg of others) leg.subscription!.feedback({ ...BPS, bps: 3_000_000 });
    await world.run(1000);
    weak.subscription!.feedback({ ...BPS, bps: 330_000 });
    await world.run(900);
    expect(video.transcoders.length).toBe(0);
    await world.run(4000);
    expect(told(weak)).toEqual(['alice passthrough', 'alice transcode H264→H264']);
    expect(video.transcoders[0]!.o.bitrateBps).toBe(300_000);
    for (const leg of others) expect(told(leg)).toEqual(['alice passthrough']);
    expect(asked(world)).toEqual([3_000_000]);

    const second = cameras(world, 'weak too');
    await settled();
    second.subscription!.feedback({ ...BPS, bps: 400_000 });
    await world.run(6000);
    expect(told(second).at(-1)).toBe('alice transcode H264→H264');
    expect(video.transcoders.length).toBe(1); // of one class
    expect(asked(world)).toEqual([3_000_000]); // the others still take all of it

    weak.subscription!.feedback({ ...BPS, bps: 2_000_000 });
    await world.run(6500);
    expect(told(weak).at(-1)).toBe('alice passthrough');
  });

  it('whose line is full is sent nothing until its own picture is there', async () => {
    const codecs = new CountingCodecs();
    let open = (): void => {};
    const gate = new Promise<void>(done => (open = done));
    const opening = codecs.openVideoTranscoder.bind(codecs);
    codecs.openVideoTranscoder = async (...args) => {
      await gate;
      return opening(...args);
    };
    const world = new World({ codecs });
    new Stream(world);
    const other = cameras(world, 'other');
    const weak = cameras(world, 'weak');
    await world.run(2000);
    weak.subscription!.feedback({ ...BPS, bps: 330_000 });
    await world.run(1000);
    const [before, all] = [weak.packets.length, other.packets.length];
    await world.run(1000);
    weak.subscription!.feedback({ type: 'keyframe' });
    await world.run(1000);
    expect(weak.packets.length).toBe(before);
    expect(other.packets.length).toBeGreaterThan(all + 25);
    open();
    await world.run(500);
    expect(told(weak)).toEqual(['alice passthrough', 'alice transcode H264→H264']);
    expect(weak.packets.length).toBeGreaterThan(before);
  });

  it('of a publisher of layers gets the largest that fits, and all of it again later', async () => {
    const { world, video } = room();
    const sized = (size: string) => ({ format: { ...H264, fmtp: { ...H264.fmtp, 'x-size': size } } });
    new Stream(world, true, sized('640x360'));
    const large = world.each!;
    const layer = (id: string, size: string, bytes: number) => {
      const camera = new Camera(world, id, true, { participant: 'alice', layerOf: 'alice', ...sized(size) });
      let answered = 0;
      return () => {
        const keys = world.room.asked.filter(a => a.track === id && a.feedback.type === 'keyframe').length;
        const key = keys > answered;
        answered = keys;
        camera.picture++;
        camera.put(`${key ? 'k' : 'p'}${'.'.repeat(bytes)}`, { key, config: key });
      };
    };
    // A picture each 20 ms: 100 kbit/s and 240 kbit/s.
    const layers = [layer('alice/q', '160x90', 250), layer('alice/h', '320x180', 600)];
    world.each = i => {
      for (const next of layers) next();
      return large(i);
    };
    const other = cameras(world, 'other');
    const weak = cameras(world, 'weak');
    await world.run(2000);
    weak.subscription!.feedback({ ...BPS, bps: 330_000 });
    await world.run(2000);
    expect(told(weak)).toEqual(['alice passthrough', 'alice/h passthrough']);
    weak.subscription!.feedback({ ...BPS, bps: 160_000 });
    await world.run(6000);
    expect(told(weak).slice(2)).toEqual(['alice/q passthrough']);
    weak.subscription!.feedback({ ...BPS, bps: 3_000_000 });
    await world.run(6000);
    expect(told(weak).slice(3)).toEqual(['alice passthrough']);
    expect(told(other)).toEqual(['alice passthrough']);
    expect([video.transcoders.length, asked(world)]).toEqual([0, []]);
    expect(new Set([...world.room.pulls].map(p => p.track))).toEqual(new Set(['alice']));
    const serving = weak.events[1];
    expect(serving).toMatchObject({
      track: { participant: 'alice' },
      format: { fmtp: { 'x-size': '320x180' } },
    });
  });

  it('without transcoding is sent whole groups as far as they fit', async () => {
    const { world, video } = room();
    video.missing = 'Pictures need node-av, which is not installed.';
    new Stream(world);
    const weak = cameras(world, 'weak');
    const other = cameras(world, 'other');
    await world.run(1000);
    weak.subscription!.feedback({ ...BPS, bps: 180_000 });
    await world.run(4000);
    const before = weak.packets.length;
    const allBefore = other.packets.length;
    await world.run(20_000);
    const bytes = (of: Ears, from: number): number =>
      of.packets.slice(from).reduce((n, p) => n + p.payload.length, 0);
    expect((bytes(weak, before) * 8) / 20).toBeLessThan(165_000);
    expect((bytes(weak, before) * 8) / 20).toBeGreaterThan(40_000);
    expect((bytes(other, allBefore) * 8) / 20).toBeGreaterThan(950_000);
    expect(told(weak)).toEqual(['alice passthrough', 'alice passthrough']);
    expect(told(other)).toEqual(['alice passthrough']);
  });

  it('with next to nothing has sound only, and is tried again later', async () => {
    const { world, video } = room();
    video.missing = 'Pictures need node-av, which is not installed.';
    new Stream(world);
    const weak = cameras(world, 'weak');
    const other = cameras(world, 'other');
    await world.run(1000);
    weak.subscription!.feedback({ ...BPS, bps: 60_000 });
    await world.run(6000);
    expect(weak.events).toMatchObject([
      { type: 'serving' },
      { type: 'unserved', why: { reason: 'line-too-narrow' } },
    ]);
    const before = weak.packets.length;
    await world.run(3000);
    expect(weak.packets.length).toBe(before);
    weak.subscription!.feedback({ ...BPS, bps: 5_000_000 });
    await world.run(11_000);
    expect(told(weak)).toEqual(['alice passthrough', 'unserved', 'alice passthrough']);
    expect(told(other)).toEqual(['alice passthrough']);
  });

  it('alone: the publisher sends less, nothing is transcoded', async () => {
    const { world, video } = room();
    const alice = new Stream(world);
    const weak = cameras(world, 'weak');
    await world.run(1000);
    weak.subscription!.feedback({ ...BPS, bps: 400_000 });
    await world.run(1000);
    expect(asked(world)).toEqual([400_000]);
    alice.everyTicks = 8;
    await world.run(10_000);
    expect(told(weak)).toEqual(['alice passthrough']);
    expect(video.transcoders.length).toBe(0);
  });

  it('what was agreed (maxBps) counts like an estimate', async () => {
    const { world, video } = room();
    new Stream(world, false);
    const phone = cameras(world, 'phone', 700_000);
    await world.run(6000);
    expect(video.transcoders.map(t => t.o.bitrateBps)).toEqual([600_000]);
    expect(asked(world)).toEqual([700_000]);
    phone.subscription!.close();
    await world.run(2500);
    expect(video.open).toBe(0);
  });
});

describe('the burst of kept pictures to a narrow line', () => {
  const kept = async (maxBps: number) => {
    const { world } = room();
    const alice = new Camera(world, 'alice', false);
    alice.put(`k${'.'.repeat(15_000)}`, { key: true, config: true });
    for (let i = 1; i < 40; i++) {
      alice.picture++;
      alice.put(`p${'.'.repeat(1000)}`);
    }
    return { world, alice, ears: cameras(world, 'viewer', maxBps) };
  };

  it('is paced by what the line takes, and closes up to live', async () => {
    const { world, alice, ears } = await kept(400_000); // 600 kbit/s are 1500 bytes a tick
    const sent: number[] = [];
    let i = 0;
    world.each = () => {
      if (i++ % 5 === 4) {
        alice.picture++;
        alice.put(`p${'.'.repeat(1000)}`);
      }
      sent.push(ears.packets.reduce((n, p) => n + p.payload.length, 0));
      return true;
    };
    await world.run(3000);
    for (let t = 1; t < sent.length; t++) expect(sent[t]! - sent[t - 1]!).toBeLessThan(17_000);
    expect(sent[20]).toBeGreaterThan(20_000);
    expect(sent[20]).toBeLessThan(45_000);
    expect(ears.packets.at(-1)!.pts).toBe(alice.pts);
    expect(ears.packets.length).toBe(40 + 30);
    const pts = ears.packets.map(p => p.pts);
    expect(pts).toEqual([...pts].sort((a, b) => a - b));
    expect(new Set(pts).size).toBe(pts.length);
    expect(told(ears)).toEqual(['alice passthrough']);
  });

  it('leaps to the next keyframe when that comes first', async () => {
    const { world, alice, ears } = await kept(400_000);
    await world.run(200);
    const before = ears.packets.length;
    expect(before).toBeLessThan(20);
    alice.key();
    alice.frames(1);
    await world.run(100);
    expect(texts(ears).slice(before)).toEqual([
      'sps',
      `k${alice.picture - 1}a`,
      `k${alice.picture - 1}b`,
      `p${alice.picture}`,
    ]);
    expect(told(ears)).toEqual(['alice passthrough', 'alice passthrough']);
    expect(ears.packets.at(-1)!.pts).toBe(alice.pts);
  });

  it('to any other comes at once', async () => {
    const { world, ears } = await kept(2_000_000);
    await world.run(20);
    expect(ears.packets.length).toBe(40);
  });
});
