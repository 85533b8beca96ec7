import { beforeAll, describe, expect, it } from 'vitest';
import { loadCodecs } from '../../codecs/audio.ts';
import { toneDb, totalDb } from '../../codecs/testing/sound.ts';
import type { Format } from '../contract.ts';
import { realCodecs } from './codecs.ts';
import { AAC, type Ears, G722, OPUS, PCMA, PCMU, World } from './testing/room.ts';

beforeAll(() => loadCodecs());

const rateOf = (f: Format) =>
  f.codec === 'opus' || f.codec === 'AAC' ? 48000 : f.codec === 'G722' ? 16000 : 8000;
const formatOf = (ears: Ears): Format => {
  const served = ears.events.find(e => e.type === 'serving');
  if (served?.type !== 'serving') throw new Error('never served');
  return served.format;
};
const heard = async (ears: Ears, from = 0): Promise<(hz: number) => number> => {
  const format = formatOf(ears);
  const pcm = await ears.decode(format, rateOf(format), from);
  return hz => toneDb(pcm, hz, rateOf(format));
};

describe('everyone hears all others and not itself', () => {
  it('in four codecs at once', async () => {
    const world = new World();
    const members = [
      { id: 'alice', hz: 420, format: PCMU },
      { id: 'bob', hz: 740, format: PCMA },
      { id: 'carol', hz: 1130, format: G722 },
      { id: 'dave', hz: 1610, format: OPUS },
    ];
    for (const m of members) await world.singer(m.id, m.hz, m.format);
    const legs = members.map(m => ({ ...m, ears: world.mix(m.id, m.format) }));
    const listener = world.mix('eve', PCMU);
    await world.run(2000);
    for (const me of legs) {
      const db = await heard(me.ears);
      const others = members.filter(m => m.id !== me.id).map(m => db(m.hz));
      expect(Math.min(...others), `${me.id} hears the others`).toBeGreaterThan(-23);
      expect(db(me.hz), `${me.id} does not hear itself`).toBeLessThan(Math.min(...others) - 40);
    }
    const db = await heard(listener);
    for (const m of members) expect(db(m.hz), `eve hears ${m.id}`).toBeGreaterThan(-23);
    world.egress.close();
  });

  it('a player in AAC, where the codec is there', async () => {
    if (realCodecs.missingFor(AAC) !== undefined) return;
    const world = new World();
    await world.singer('alice', 700, OPUS);
    const bob = await world.singer('bob', 1500, OPUS);
    const player = world.mix('bob', AAC);
    bob.on = false;
    await world.run(600);
    bob.on = true;
    await world.run(1000);
    expect(player.steps()).toEqual([1024]);
    expect(formatOf(player)).toMatchObject({ codec: 'AAC', clockRate: 48000 });
    const db = await heard(player);
    expect(db(700)).toBeGreaterThan(-23);
    expect(db(1500)).toBeLessThan(db(700) - 40);
    world.egress.close();
  });
});

describe('changing between the shared mix and one of its own', () => {
  it.each([
    ['PCMU', PCMU, 160, 20],
    ['PCMU in 30 ms packets', PCMU, 240, 30],
    ['G722', G722, 160, 20],
    ['opus', OPUS, 960, 20],
    ['opus in 60 ms packets', OPUS, 2880, 60],
  ] as const)('%s goes on without a gap or a click', async (_, format, step, ptimeMs) => {
    const world = new World();
    await world.singer('alice', 500, PCMU);
    const bob = await world.singer('bob', 1900, PCMU);
    const ears = world.mix('bob', format, ptimeMs);
    const turns: number[] = [];
    for (let i = 0; i < 4; i++) {
      bob.on = i % 2 === 1;
      turns.push(ears.packets.length);
      await world.run(2400); // longer than a mix of one's own is kept
    }
    expect(ears.steps()).toEqual([step]);
    expect(ears.packets.map(p => p.seq)).toEqual(ears.packets.map((_p, i) => i));
    const rate = rateOf(format);
    const pcm = await ears.decode(format, rate);
    const whole = pcm.subarray(1.5 * rate); // opus in long frames takes its time to settle
    expect(toneDb(whole, 500, rate, 1)).toBeGreaterThan(-21.5);
    expect(toneDb(whole, 1900, rate, 1)).toBeLessThan(-60);
    expect(worstBlockDb(whole, 500, rate), 'worst 20 ms next to the tone').toBeLessThan(-35);
    world.egress.close();
  });
});

/** The loudest 20 ms of everything but `hz`, dB: the tone is fitted and taken out block by block; clicks remain. */
function worstBlockDb(pcm: Int16Array, hz: number, rate: number): number {
  const n = rate / 50;
  let worst = -100;
  for (let at = 0; at + n <= pcm.length; at += n) {
    const block = pcm.subarray(at, at + n);
    let [c, s] = [0, 0];
    block.forEach((v, i) => {
      c += (2 / n) * v * Math.cos((2 * Math.PI * hz * i) / rate);
      s += (2 / n) * v * Math.sin((2 * Math.PI * hz * i) / rate);
    });
    const rest = block.map(
      (v, i) => v - c * Math.cos((2 * Math.PI * hz * i) / rate) - s * Math.sin((2 * Math.PI * hz * i) / rate),
    );
    worst = Math.max(worst, totalDb(rest, 1));
  }
  return worst;
}

describe('what happens to a voice', () => {
  it('its first sound is not cut', async () => {
    const world = new World();
    const alice = await world.singer('alice', 600, PCMU);
    await world.singer('bob', 900, PCMU);
    world.singers[1]!.on = false;
    const ears = world.mix('bob', PCMU);
    alice.on = false;
    await world.run(1000);
    alice.on = true;
    const before = ears.packets.length;
    await world.run(400);
    const pcm = await ears.decode(PCMU, 8000, before);
    const first = pcm.findIndex(v => Math.abs(v) > 300);
    // From there on exactly the tone: 400 ms less the buffer's delay (40 ms, 20 more for the block).
    expect(first / 8).toBeLessThan(81);
    const voiced = pcm.subarray(first);
    expect(toneDb(voiced, 600, 8000, 1)).toBeGreaterThan(-20.5);
    expect(Math.abs(voiced[0]!)).toBeLessThan(1700); // it begins at its beginning: the first samples of a sine from zero
    world.egress.close();
  });

  it('is gone when its track is paused, hidden or ended', async () => {
    const world = new World();
    await world.singer('alice', 600, PCMU);
    const ears = world.mix('bob', PCMU);
    await world.run(400);
    const silent = async (change: () => void): Promise<boolean> => {
      change();
      const from = ears.packets.length;
      await world.run(200);
      return (await ears.decode(PCMU, 8000, from)).every(v => v === 0);
    };
    expect(await silent(() => {})).toBe(false);
    expect(await silent(() => world.room.add({ id: 'alice' }, { paused: true }))).toBe(true);
    world.room.add({ id: 'alice' });
    await world.run(200);
    expect(await silent(() => {})).toBe(false);
    expect(await silent(() => world.room.add({ id: 'alice' }, { visible: false }))).toBe(true);
    world.room.add({ id: 'alice' });
    await world.run(200);
    expect(await silent(() => world.room.remove('alice'))).toBe(true);
    expect(ears.steps()).toEqual([160]);
    world.egress.close();
  });

  it.each([PCMU, OPUS])('survives the loss of every 20th packet in $codec', async format => {
    const world = new World();
    const alice = await world.singer('alice', 600, format);
    world.singers.length = 0;
    const ears = world.mix('bob', OPUS);
    world.each = i => void alice.sing(world.now - 7, i % 20 !== 19);
    await world.run(3000);
    const pcm = await ears.decode(OPUS, 48000);
    expect(toneDb(pcm, 600, 48000)).toBeGreaterThan(-22);
    expect(ears.steps()).toEqual([960]);
    world.egress.close();
  });

  it('goes on as another format after a re-INVITE', async () => {
    const world = new World();
    await world.singer('alice', 600, PCMU);
    const ears = world.mix('bob', PCMU);
    await world.run(400);
    world.singers.length = 0;
    await world.singer('alice', 1000, OPUS);
    await world.run(1000);
    const db = await heard(ears);
    expect(db(1000)).toBeGreaterThan(-22);
    expect(db(600)).toBeLessThan(-50);
    world.egress.close();
  });
});

describe('late ticks', () => {
  it('are caught up without drift', async () => {
    const world = new World();
    await world.singer('alice', 600, PCMU);
    const ears = world.mix('bob', PCMU);
    world.each = i => i % 5 === 4 || i === 0; // 100 ms late, always
    await world.run(4000);
    expect(ears.packets.length).toBeGreaterThan(190);
    expect(ears.steps()).toEqual([160]);
    const db = await heard(ears);
    expect(db(600)).toBeGreaterThan(-22);
    world.egress.close();
  });

  it('after a stall go on from now, with pts that tell the time that passed', async () => {
    const world = new World();
    await world.singer('alice', 600, PCMU);
    const ears = world.mix('bob', PCMU);
    await world.run(1000);
    const before = ears.packets.length;
    world.each = () => false;
    await world.run(1000);
    world.each = undefined;
    await world.run(20);
    expect(ears.packets.length - before).toBe(1);
    expect(ears.packets.at(-1)!.pts - ears.packets[before - 1]!.pts).toBe(51 * 160);
    await world.run(1000);
    const pcm = await ears.decode(PCMU, 8000, before + 10);
    expect(toneDb(pcm, 600, 8000)).toBeGreaterThan(-22);
    world.egress.close();
  });
});
