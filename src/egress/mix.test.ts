import { describe, expect, it } from 'vitest';
import { refuse } from '../kit/refusal.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { AAC, G722, H264, OPUS, PCMA, PCMU, World } from './testing/room.ts';

/** A room whose members' packets are bytes without meaning, and codecs that count. */
class CountedWorld extends World {
  readonly codecs: CountingCodecs;
  readonly #talkers = new Map<string, { loud: boolean; seq: number }>();
  constructor(codecs = new CountingCodecs()) {
    super({ codecs });
    this.codecs = codecs;
    this.each = () => void this.#talk();
  }
  join(id: string, loud: boolean): void {
    this.#talkers.set(id, { loud, seq: 0 });
    this.room.add({ id });
  }
  loud(id: string, loud: boolean): void {
    this.#talkers.get(id)!.loud = loud;
  }
  #talk(): void {
    for (const [id, talker] of this.#talkers) {
      const seq = talker.seq++;
      const level = talker.loud ? 30 : 80;
      const payload = new Uint8Array(160);
      this.room.send(id, { seq, pts: seq * 160, marker: false, payload, level }, this.now - 3);
    }
  }
  /** Runs `ms` and gives how often the codecs were called for one block, in the mean. */
  async cost(ms: number): Promise<{ encodes: number; decodes: number }> {
    const { encodes, decodes } = this.codecs;
    await this.run(ms);
    const blocks = ms / 20;
    return {
      encodes: (this.codecs.encodes - encodes) / blocks,
      decodes: (this.codecs.decodes - decodes) / blocks,
    };
  }
}

describe('cost grows with speakers, not with legs', () => {
  it('200 silent listeners share one encoder, one speaker is decoded once', async () => {
    const world = new CountedWorld();
    world.join('speaker', true);
    const legs = Array.from({ length: 200 }, (_, i) => world.mix(`leg${i}`, PCMU));
    for (let i = 0; i < 200; i++) world.join(`leg${i}`, false);
    await world.run(200);
    expect(await world.cost(1000)).toEqual({ encodes: 1, decodes: 1 });
    expect(world.codecs).toMatchObject({ encoders: 2, decoders: 1 }); // one works, one stands ready
    for (const leg of legs) expect(leg.packets.length).toBeGreaterThan(55);
    expect(legs[7]!.packets.at(-1)!.payload[0]).toBe(1);
  });

  it('three speakers who listen add a mix each, and their decoders', async () => {
    const world = new CountedWorld();
    for (let i = 0; i < 50; i++) {
      world.join(`leg${i}`, i < 3);
      world.mix(`leg${i}`, PCMU);
    }
    await world.run(300);
    expect(await world.cost(1000)).toEqual({ encodes: 4, decodes: 3 });
    for (let i = 0; i < 3; i++) world.loud(`leg${i}`, false);
    await world.run(2500);
    expect(await world.cost(1000)).toEqual({ encodes: 1, decodes: 0 });
  });

  it('each codec and packet time has one encoder; each rate one decoder a speaker', async () => {
    const world = new CountedWorld();
    world.join('speaker', true);
    for (const [format, ptime] of [
      [PCMU, 20],
      [PCMA, 20],
      [PCMU, 40],
      [G722, 20],
      [OPUS, 20],
    ] as const)
      for (let i = 0; i < 5; i++) world.mix(`${format.codec}${ptime}-${i}`, format, ptime);
    await world.run(200);
    expect(await world.cost(1000)).toEqual({ encodes: 4.5, decodes: 3 });
  });

  it('opus receivers with different limits do not share', async () => {
    const world = new CountedWorld();
    world.join('speaker', true);
    world.mix('a', { ...OPUS, fmtp: { minptime: '10', useinbandfec: '1' } });
    world.mix('b', { ...OPUS, fmtp: { stereo: '1' } });
    const narrow = world.mix('c', { ...OPUS, fmtp: { maxaveragebitrate: '12000' } });
    await world.run(200);
    expect((await world.cost(200)).encodes).toBe(2);
    expect(narrow.events).toEqual([
      { type: 'serving', how: 'mix', format: { ...OPUS, fmtp: { maxaveragebitrate: '12000' } } },
    ]);
  });

  it('at most eight are mixed', async () => {
    const world = new CountedWorld();
    world.mix('listener', PCMU);
    for (let i = 0; i < 12; i++) world.join(`speaker${i}`, true);
    await world.run(300);
    expect((await world.cost(1000)).decodes).toBe(8);
  });

  it('an empty room costs nothing', async () => {
    const world = new CountedWorld();
    world.join('speaker', true);
    const ears = world.mix('listener', PCMU);
    await world.run(200);
    expect(world.egress.active).toBe(true);
    ears.subscription!.close();
    expect(world.egress.active).toBe(false);
    expect(world.codecs.open).toBe(0);
    expect(world.room.pulls.size).toBe(0);
    const count = ears.packets.length;
    expect(await world.cost(200)).toEqual({ encodes: 0, decodes: 0 });
    expect(ears.packets.length).toBe(count);
  });
});

describe('the life of a mix', () => {
  it('begins with the next tick once its encoder is there, and silence is sent too', async () => {
    const world = new CountedWorld();
    await world.run(100);
    const first = world.mix('a', PCMU);
    await world.run(60);
    expect(first.events).toEqual([{ type: 'serving', how: 'mix', format: PCMU }]);
    expect(first.packets.length).toBeGreaterThanOrEqual(2);
    expect(first.packets[0]).toMatchObject({ seq: 0, marker: true });
    expect(first.packets[1]).toMatchObject({ seq: 1, marker: false });
    const second = world.mix('b', PCMU);
    await Promise.resolve();
    world.egress.tick(world.now);
    expect(second.packets.length).toBe(1);
  });

  it.each([20, 60])('who joins in mid-sentence never gets its own voice (packets of %i ms)', async ptime => {
    const world = new CountedWorld();
    world.join('alice', true);
    world.mix('other', PCMU);
    for (let ms = 500; ms < 560; ms += 20) {
      await world.run(20);
      const early = world.mix('alice', PCMU, ptime); // whatever part of a frame has passed
      await world.run(200);
      expect(early.packets.every(p => p.payload[0] === 0)).toBe(true);
      early.subscription!.close();
    }
    const ears = world.mix('alice', PCMU, ptime);
    await world.run(1000);
    expect(ears.packets.length).toBeGreaterThan(900 / ptime);
    expect(ears.packets.every(p => p.payload[0] === 0)).toBe(true);
  });

  it('one participant with two legs in two codecs hears itself in neither', async () => {
    const world = new CountedWorld();
    world.join('alice', false);
    const phone = world.mix('alice', PCMU);
    const player = world.mix('alice', OPUS);
    const bob = world.mix('bob', OPUS);
    await world.run(300);
    world.loud('alice', true);
    await world.run(1000);
    for (const ears of [phone, player]) expect(ears.packets.every(p => p.payload[0] === 0)).toBe(true);
    expect(bob.packets.at(-1)!.payload[0]).toBe(1);
    expect(phone.steps()).toEqual([160]);
    expect(player.steps()).toEqual([960]);
  });

  it('changes codec by update', async () => {
    const world = new CountedWorld();
    const ears = world.mix('a', PCMU);
    await world.run(100);
    ears.subscription!.update({ kind: 'mix', codec: OPUS, ptimeMs: 20 });
    await world.run(100);
    expect(ears.events.map(e => (e.type === 'serving' ? e.format.codec : e.type))).toEqual(['PCMU', 'opus']);
    expect(world.codecs.encoders).toBe(2);
  });

  it('pauses', async () => {
    const world = new CountedWorld();
    const ears = world.mix('a', PCMU);
    await world.run(100);
    ears.subscription!.feedback({ type: 'pause', on: true });
    const count = ears.packets.length;
    await world.run(100);
    expect(ears.packets.length).toBe(count);
    ears.subscription!.feedback({ type: 'pause', on: false });
    await world.run(100);
    expect(ears.packets.length).toBe(count + 5);
  });
});

describe('what cannot be served is told in words', () => {
  it('a codec whose library is missing', async () => {
    const world = new CountedWorld();
    const ears = world.mix('a', AAC);
    await world.run(40);
    expect(ears.events).toEqual([
      {
        type: 'unserved',
        why: { blame: 'server', reason: 'codec-missing', text: 'AAC needs node-av, which is not installed.' },
      },
    ]);
    expect(world.egress.active).toBe(false);
  });

  it('a mix in a video codec', async () => {
    const world = new CountedWorld();
    const ears = world.mix('a', H264);
    await world.run(40);
    expect(ears.events).toMatchObject([{ type: 'unserved', why: { reason: 'codec-missing' } }]);
  });

  it('an encoder that fails to open', async () => {
    const world = new CountedWorld();
    world.codecs.failure = refuse('server', 'codec-missing', 'No opus here.');
    const ears = world.mix('a', OPUS);
    await world.run(100);
    expect(ears.events).toEqual([
      { type: 'unserved', why: { blame: 'server', reason: 'codec-missing', text: 'No opus here.' } },
    ]);
    expect(world.egress.active).toBe(false);
    world.codecs.failure = undefined;
    const again = world.mix('a', OPUS);
    await world.run(100);
    expect(again.events).toMatchObject([{ type: 'serving' }]);
  });
});

describe('closing', () => {
  it('leaves nothing open, whenever it comes', async () => {
    for (const ms of [0, 20, 60, 500]) {
      const world = new CountedWorld();
      world.join('alice', true);
      const ears = world.mix('alice', PCMU);
      world.mix('bob', OPUS);
      world.want('carol', { kind: 'track', id: 'alice', accept: [OPUS] });
      await world.run(ms);
      world.egress.close();
      world.egress.close();
      ears.subscription!.close();
      const { length } = ears.packets;
      await world.run(100);
      expect(world.codecs.open, `after ${ms} ms`).toBe(0);
      expect(world.room.pulls.size).toBe(0);
      expect(world.room.listeners.size).toBe(0);
      expect(ears.packets.length).toBe(length);
    }
  });

  it('while codecs are being opened closes them when they come', async () => {
    const world = new CountedWorld();
    let open = (): void => {};
    world.codecs.gate = new Promise(done => void (open = done));
    world.join('alice', true);
    const ears = world.mix('bob', PCMU);
    await world.run(100);
    world.egress.close();
    open();
    await world.run(40);
    expect(world.codecs.opened).toBeGreaterThan(0);
    expect(world.codecs.open).toBe(0);
    expect(ears.events).toEqual([]);
  });

  it('from inside a sink, and a sink that throws, harm nobody else', async () => {
    const bugs: unknown[] = [];
    const world = new World({ codecs: new CountingCodecs(), bug: e => bugs.push(e) });
    const other = world.mix('other', PCMU);
    const leaver = world.egress.want(
      'leaver',
      { kind: 'mix', codec: OPUS, ptimeMs: 20 },
      () => leaver.close(),
      () => {},
    );
    const events: string[] = [];
    world.egress.want(
      'thrower',
      { kind: 'mix', codec: PCMU, ptimeMs: 20 },
      () => {
        throw new Error('bug');
      },
      e => events.push(e.type),
    );
    await world.run(200);
    expect(events).toEqual(['serving', 'unserved']);
    expect(bugs.length).toBe(1);
    expect(other.packets.length).toBeGreaterThanOrEqual(9);
    world.egress.close();
  });

  it('a want closed at once is never opened', async () => {
    const world = new CountedWorld();
    const ears = world.mix('a', PCMU);
    ears.subscription!.close();
    await world.run(100);
    expect(ears.events).toEqual([]);
    expect(world.codecs.opened).toBe(0);
  });
});
