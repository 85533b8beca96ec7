/** What `Subscription.timeOf` says of sound and picture of one member, by every way they are served. */
import { describe, expect, it } from 'vitest';
import { Camera, told, VP8 } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { AAC, type Ears, H264, OPUS, PCMU, type Singer, World } from './testing/room.ts';

const EPOCH = 1_700_000_000_000;
/** How much later than its sound the picture of a moment comes. */
const PICTURE_LATE_MS = 300;

/**
 * Anna's phone: sound at once, the picture 300 ms later; what was captured at the world's time t has the sound
 * timestamp of t and the picture timestamp of t − 700 ms, and she reports both.
 */
async function anna(world: World, format = PCMU, camera: object = {}) {
  const voice: Singer = await world.singer('voice', 440, format);
  world.room.remove('voice');
  world.room.add({ id: 'voice', participant: 'anna', syncGroup: 'leg', format });
  const eyes = new Camera(world, 'eyes', true, { participant: 'anna', syncGroup: 'leg', ...camera });
  const rate = format.clockRate / 1000;
  const zero = voice.pts - world.now * rate;
  const soundPts = (capturedAt: number): number => zero + capturedAt * rate;
  const picturePts = (capturedAt: number): number => (capturedAt - 700) * 90;
  Object.defineProperty(eyes, 'pts', { get: () => picturePts(world.now - PICTURE_LATE_MS) });
  voice.pts = soundPts(world.now - 7);
  world.each = i => {
    if (i % 2 === 0) i % 50 === 2 ? eyes.key() : eyes.frames(1);
    return true;
  };
  const report = (): void => {
    const t = world.now - 500;
    world.room.clock('voice', soundPts(t), EPOCH + t);
    world.room.clock('eyes', picturePts(t), EPOCH + t);
  };
  return { voice, soundPts, picturePts, report };
}

const timeOf = (ears: Ears, pts: number): number => ears.subscription!.timeOf(pts)!;
const speakerOf = (world: World, me: string, accept = [H264]): Ears =>
  world.want(me, { kind: 'picture', source: 'speaker', accept, maxBps: 2e6 });
const member = (world: World, me: string, source: 'mic' | 'camera', accept = [H264]): Ears =>
  world.want(me, { kind: 'member', participant: 'anna', source, accept });

describe('lip-sync', () => {
  it('untouched: a moment has one time, by capture clocks', async () => {
    const world = new World();
    const a = await anna(world);
    const sound = member(world, 'bob', 'mic', [PCMU]);
    const picture = member(world, 'bob', 'camera');
    await world.run(1000);
    const t = world.now;
    expect(timeOf(picture, a.picturePts(t)) - timeOf(sound, a.soundPts(t))).toBeGreaterThan(250);
    a.report();
    expect(timeOf(picture, a.picturePts(t)) - timeOf(sound, a.soundPts(t))).toBeCloseTo(0, 0);
  });

  it('one member transcoded: AAC of the moment has the time of its picture', async () => {
    const world = new World();
    const a = await anna(world);
    const sound = member(world, 'bob', 'mic', [AAC]);
    const picture = member(world, 'bob', 'camera');
    await world.run(1000);
    a.report();
    await world.run(200);
    const heard = await onset(world, a.voice, sound);
    const seen = timeOf(picture, a.picturePts(heard.sungAt));
    expect(Math.abs(heard.at - seen)).toBeLessThan(12);
  });

  it('the room: its picture has the time at which the mix has the sound', async () => {
    const world = new World();
    const a = await anna(world, OPUS);
    const sound = world.mix('bob', AAC);
    const picture = speakerOf(world, 'bob');
    await world.run(1000);
    a.report();
    await world.run(200);
    expect(told(picture)).toEqual(['eyes passthrough']);
    const heard = await onset(world, a.voice, sound);
    const seen = timeOf(picture, a.picturePts(heard.sungAt));
    expect(Math.abs(heard.at - seen)).toBeLessThan(12);
    expect(heard.at - heard.sungAt).toBeGreaterThan(20); // the mix is later than the sound came
  });

  it('a transcoded picture keeps the time of its source; a grid is of when it was composed', async () => {
    const codecs = new CountingCodecs();
    const world = new World({ codecs });
    const a = await anna(world, PCMU, { format: VP8 });
    const sound = member(world, 'bob', 'mic', [PCMU]);
    const picture = member(world, 'bob', 'camera');
    await world.run(500);
    a.report();
    const [transcoder] = codecs.video.transcoders;
    const shotAt = world.now - PICTURE_LATE_MS;
    const pts = a.picturePts(shotAt);
    const frame = { start: true, end: true, key: true, config: true, temporal: 0 };
    transcoder!.o.onPacket({ seq: 1, pts, marker: true, payload: Buffer.of(1), frame }, world.now + 60);
    expect(timeOf(picture, pts) - timeOf(sound, a.soundPts(shotAt))).toBeCloseTo(0, 0);
    world.room.lay('grid');
    const grid = speakerOf(world, 'bob');
    await world.run(100);
    codecs.video.grids[0]!.compose('K', true, world.now);
    expect(timeOf(grid, world.now * 90)).toBeCloseTo(world.now);
  });

  it('nothing is known before the first packet, nor after the end', async () => {
    const world = new World();
    const ears = member(world, 'bob', 'mic', [PCMU]);
    expect(ears.subscription!.timeOf(0)).toBeUndefined();
    const a = await anna(world);
    await world.run(100);
    expect(timeOf(ears, a.soundPts(world.now))).toBeCloseTo(world.now - 0, -1);
    ears.subscription!.close();
    expect(ears.subscription!.timeOf(0)).toBeUndefined();
  });
});

/** Sings after a silence: when it was sung, and when what the listener hears of it begins, by its own `timeOf`. */
async function onset(world: World, voice: Singer, ears: Ears): Promise<{ sungAt: number; at: number }> {
  voice.on = false;
  for (let i = 0; i < 500 && ears.packets.length === 0; i++) await world.run(20); // codecs are opened in real time
  await world.run(1000);
  const from = ears.packets.length;
  voice.on = true;
  const sungAt = world.now - 7; // World.run: captured 7 ms before the tick
  await world.run(400);
  const loud = await loudFrom(ears, from);
  return { sungAt, at: timeOf(ears, loud) };
}

/** Pts at which the decoded AAC after packet `from` gets loud. */
async function loudFrom(ears: Ears, from: number): Promise<number> {
  const e = ears.events.find(e => e.type === 'serving');
  if (e?.type !== 'serving') throw new Error('nothing is served');
  const pcm = await ears.decode(e.format, 48_000, from);
  return ears.packets[from]!.pts + pcm.findIndex(sample => Math.abs(sample) > 1000);
}
