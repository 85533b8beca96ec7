import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Format, Want } from '../contract.ts';
import { Camera } from './testing/camera.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { type Ears, H264, settled, World } from './testing/room.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 200);
/** One that passes, one that must be transcoded. */
const FORMATS: readonly Format[] = [H264, { ...H264, fmtp: { ...H264.fmtp, 'x-reorder': '2' } }];
const accept = [{ ...H264, fmtp: { ...H264.fmtp, 'x-reorder': '0' } }];
const IDS = ['a', 'b', 'c'] as const;
const WANTS: readonly Want[] = [
  { kind: 'picture', source: 'speaker', accept, maxBps: 400_000 },
  { kind: 'picture', source: 'grid', accept, maxBps: Number.POSITIVE_INFINITY },
  { kind: 'cameras', slot: 1, of: 2, accept, maxBps: 2_000_000 },
  { kind: 'member', participant: 'a', source: 'camera', accept },
];

const who = fc.constantFrom(...IDS);
const step = fc.oneof(
  fc.record({ do: fc.constant('key' as const), who }),
  fc.record({ do: fc.constant('frames' as const), who, n: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant('speak' as const), who: fc.subarray([...IDS, 'viewer']) }),
  fc.record({
    do: fc.constant('track' as const),
    who,
    paused: fc.boolean(),
    format: fc.constantFrom(...FORMATS),
    source: fc.constantFrom('camera' as const, 'screen' as const),
  }),
  fc.record({ do: fc.constant('gone' as const), who }),
  fc.record({ do: fc.constant('run' as const), ms: fc.constantFrom(20, 200, 3000) }),
  fc.record({ do: fc.constant('asks' as const), want: fc.nat(3) }),
  fc.record({ do: fc.constant('bitrate' as const), want: fc.nat(3), bps: fc.constantFrom(1000, 2e5, 1e7) }),
  fc.record({ do: fc.constant('pause' as const), want: fc.nat(3), on: fc.boolean() }),
  fc.record({ do: fc.constant('missing' as const), is: fc.boolean() }),
  fc.record({ do: fc.constant('compose' as const), key: fc.boolean() }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function act(
  s: Step,
  world: World,
  cameras: Map<string, Camera>,
  legs: readonly Ears[],
  codecs: CountingCodecs,
) {
  switch (s.do) {
    case 'key':
      return cameras.get(s.who)?.key();
    case 'frames':
      return cameras.get(s.who)?.frames(s.n);
    case 'speak':
      return world.room.speak(...s.who);
    case 'track':
      return void world.room.add({ id: s.who, format: s.format, source: s.source }, { paused: s.paused });
    case 'gone':
      return world.room.remove(s.who);
    case 'run':
      return world.run(s.ms);
    case 'asks':
      return legs[s.want]!.subscription!.feedback({ type: 'keyframe' });
    case 'bitrate':
      return legs[s.want]!.subscription!.feedback({ type: 'bitrate', bps: s.bps });
    case 'pause':
      return legs[s.want]!.subscription!.feedback({ type: 'pause', on: s.on });
    case 'missing':
      codecs.video.missing = s.is ? 'Pictures need node-av, which is not installed.' : undefined;
      return;
    case 'compose':
      for (const grid of codecs.video.grids) if (!grid.closed) grid.compose('g', s.key, world.now);
  }
}

it('whatever happens in the room: every beginning is a keyframe, time does not go back, nothing stays open', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async steps => {
      const codecs = new CountingCodecs();
      const bugs: unknown[] = [];
      const world = new World({ codecs, bug: error => bugs.push(error) });
      const cameras = new Map<string, Camera>(IDS.map((id, i) => [id, new Camera(world, id, i !== 1)]));
      const legs = WANTS.map(want => world.want('viewer', want));
      const begins = legs.map(ears => {
        const at: number[] = [];
        const tell = ears.events.push.bind(ears.events);
        ears.events.push = (...events) => {
          for (const e of events) if (e.type === 'serving') at.push(ears.packets.length);
          return tell(...events);
        };
        return at;
      });
      await settled();
      for (const s of steps) {
        await act(s, world, cameras, legs, codecs);
        await settled();
      }
      expect(bugs).toEqual([]);
      for (const [i, { packets }] of legs.entries())
        for (const [n, packet] of packets.entries())
          if (begins[i]!.includes(n)) expect(packet.frame?.key).toBe(true);
          else expect(packet.pts).toBeGreaterThanOrEqual(packets[n - 1]!.pts);
      for (const leg of legs) leg.subscription!.close();
      await world.run(2100);
      expect(codecs.video.open).toBe(0);
      world.egress.close();
      expect(world.room.pulls.size).toBe(0);
    }),
    { numRuns: RUNS },
  );
});
