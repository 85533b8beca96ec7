import fc from 'fast-check';
import { expect, it } from 'vitest';
import { G722, OPUS, PCMU, settled, World } from './testing/room.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200) / 10;

const junk = fc.record({
  track: fc.constantFrom('PCMU', 'opus', 'G722'),
  seq: fc.integer({ min: 0, max: 60 }),
  jump: fc.constantFrom(0, 0, 0, 1_000_000),
  payload: fc.uint8Array({ maxLength: 1500 }),
});

it('junk from one member is at most noise: the mix of the others goes on in step', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(junk, { maxLength: 60 }), async packets => {
      const world = new World();
      for (const format of [PCMU, OPUS, G722]) world.room.add({ id: format.codec, format });
      const ears = world.mix('listener', PCMU);
      world.mix('opus', OPUS);
      await settled();
      for (const { track, seq, jump, payload } of packets) {
        world.room.send(track, { seq, pts: seq * 960 + jump, marker: false, payload, level: 30 }, world.now);
        world.egress.tick((world.now += 20));
        await Promise.resolve();
      }
      await world.run(100);
      expect(ears.steps()).toEqual([160]);
      world.egress.close();
    }),
    { numRuns },
  );
});
