import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Agent, Json, LegCommand, LegDrill, LegEvent, LegRequest, Log, Seat } from '../contract.ts';
import { impairmentOf } from '../kit/impairment-words.ts';
import { Refusal } from '../kit/refusal.ts';
import { AgentDesk } from './agent-desk.ts';
import { DrillDesk } from './drill-desk.ts';
import { subjects } from './subjects.ts';

/** Lets whatever was promised happen. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(done => setImmediate(done));
};

/** One process: an agent whose legs can be impaired, one whose legs cannot, and a desk for drills. */
class World {
  readonly clock = new VirtualClock(1000);
  readonly bus = inProcessBus({ clock: this.clock, onBug: e => void this.bugs.push(e), count: () => {} });
  readonly bugs: unknown[] = [];
  readonly lines: string[] = [];
  readonly log: Log = {
    ...silentLog,
    info: (_, text) => void this.lines.push(text),
    warn: (o, text) =>
      void this.lines.push(`${text} ${(o as { impairment?: string }).impairment ?? ''}`.trim()),
  };
  /** What each leg was told, by leg. */
  readonly drilled = new Map<string, (LegDrill | null)[]>();
  readonly facts = new Map<string, Json[]>();
  readonly ends = new Map<string, (e: LegEvent) => void>();
  readonly desk = new AgentDesk({
    bus: this.bus,
    seats: {
      take: async r => ({
        seat: { room: r.room, participant: r.who.user, leave() {} } as unknown as Seat,
        secret: '',
      }),
    },
    wills: { execute: () => {} },
    clock: this.clock,
    log: this.log,
    changed: () => {},
  });
  readonly drills: DrillDesk = new DrillDesk({
    bus: this.bus,
    clock: this.clock,
    log: this.log,
    legs: async () => this.desk.records(),
    drills: async () => this.drills.list(),
  });

  constructor() {
    this.desk.add('media', 'native', this.#agent(true));
    this.desk.add('talk', 'stomp', this.#agent(false));
  }

  #agent(canDrill: boolean): Agent {
    return {
      formats: [],
      capacity: 100,
      start: async () => [],
      close: async () => {},
      take: async ({ leg }, _seat, emit) => {
        this.ends.set(leg, emit);
        return {
          handle: (c: LegCommand) => {
            if (c.type === 'fact') this.facts.set(leg, [...(this.facts.get(leg) ?? []), c.fact]);
          },
          stats: () => [],
          ...(canDrill && {
            drill: (d: LegDrill | null) => void this.drilled.set(leg, [...(this.drilled.get(leg) ?? []), d]),
          }),
        };
      },
    };
  }

  async join(leg: string, agent: 'media' | 'talk', room = '1000'): Promise<void> {
    const request: LegRequest = {
      v: 1,
      leg,
      trace: leg,
      gateway: agent === 'media' ? 'native' : 'stomp',
      direction: 'in',
      room,
      roles: agent === 'media' ? ['send', 'receive'] : ['signal'],
      who: { user: leg.split('-')[0] as string, proof: 'claimed' },
      begin: { type: 'offer', native: {} },
    };
    await this.bus.request(subjects.take(agent), { request, owner: 'p' } as unknown as Json, {
      timeoutMs: 1000,
    });
  }

  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.run(Math.min(500, left));
      await settle();
    }
  }
}

let w: World;
beforeEach(async () => {
  w = new World();
  await w.join('alice-media', 'media');
  await w.join('alice-talk', 'talk');
  await w.join('bob-media', 'media');
  await w.join('carol-media', 'media', '2000');
});
afterEach(() => expect(w.bugs).toEqual([]));

const ask = { impairment: impairmentOf('loss 30%, delay 100ms'), direction: 'both', seconds: 10 } as const;
const last = (leg: string) => w.drilled.get(leg)?.at(-1);

test('a drill of a room impairs its legs, tells its signalling legs, and ends by itself', async () => {
  const view = await w.drills.start({ room: '1000', ...ask });
  expect(view).toMatchObject({
    room: '1000',
    impairment: { loss: '30%', delay: '100ms' },
    legs: [
      { leg: 'alice-media', participant: 'alice', impaired: true },
      { leg: 'bob-media', participant: 'bob', impaired: true },
    ],
  });
  expect(view.endsAt - view.startedAt).toBe(10_000);
  expect(last('alice-media')).toMatchObject({
    toMember: { loss: 0.3, delayMs: 100 },
    fromMember: { loss: 0.3, delayMs: 100 },
  });
  expect(w.drilled.has('carol-media')).toBe(false);
  await settle();
  expect(w.facts.get('alice-talk')).toEqual([
    {
      type: 'drill',
      drill: view.drill,
      on: true,
      impairment: { loss: '30%', delay: '100ms' },
      text: 'loss 30%, delay 100ms',
      direction: 'both',
      secondsLeft: 10,
    },
  ]);
  expect(w.drills.list()).toEqual([view]);
  await w.run(9900);
  expect(last('bob-media')).not.toBeNull();
  await w.run(200);
  expect([last('alice-media'), last('bob-media')]).toEqual([null, null]);
  expect(w.facts.get('alice-talk')?.at(-1)).toEqual({ type: 'drill', drill: view.drill, on: false });
  expect(w.drills.list()).toEqual([]);
  expect(w.lines.filter(l => l.startsWith('drill'))).toEqual([
    'drill begins loss 30%, delay 100ms',
    'drill over on a leg',
    'drill over on a leg',
    'drill over',
  ]);
});

test('who joins meanwhile is impaired for what is left of it, and told', async () => {
  await w.drills.start({ room: '1000', ...ask });
  await w.run(2000);
  await w.join('dave-media', 'media');
  await w.join('dave-talk', 'talk');
  await w.run(1100);
  expect(last('dave-media')).toMatchObject({ toMember: { loss: 0.3 } });
  expect(w.facts.get('dave-talk')).toMatchObject([{ on: true, secondsLeft: 8 - 1 }]);
  expect(w.drills.list()[0]?.legs.length).toBe(3);
  await w.run(7000);
  expect(last('dave-media')).toBeNull();
});

test('a drill of one leg leaves the others alone and says whose it is', async () => {
  const view = await w.drills.start({ leg: 'bob-media', ...ask, direction: 'to-member' });
  expect(view).toMatchObject({ room: '1000', leg: 'bob-media', legs: [{ leg: 'bob-media' }] });
  expect(last('bob-media')).toEqual({ toMember: ask.impairment, seed: expect.any(Number) });
  expect(w.drilled.has('alice-media')).toBe(false);
  await settle();
  expect(w.facts.get('alice-talk')).toMatchObject([{ participant: 'bob', direction: 'to-member' }]);
});

test('it is ended on demand, once', async () => {
  const { drill } = await w.drills.start({ room: '1000', ...ask });
  expect(await w.drills.stop(drill)).toBe(true);
  expect(last('alice-media')).toBeNull();
  expect(await w.drills.stop(drill)).toBe(false);
  await w.run(11_000);
  expect(w.drilled.get('alice-media')?.length).toBe(2);
});

test('an agent ends it by itself, whatever became of who asked for it', async () => {
  const order = { drill: 'd', leg: 'bob-media', impaired: { toMember: { loss: 1 }, seed: 1 }, ms: 3000 };
  await w.bus.request(subjects.drill('media'), order, { timeoutMs: 1000 });
  w.clock.run(2999);
  expect(last('bob-media')).toEqual(order.impaired);
  w.clock.run(1);
  expect(last('bob-media')).toBeNull();
});

test.each([
  [{ room: '3000' }, 'no-such-room', 'There is nobody in room 3000; see GET /api/v1/rooms.'],
  [{ leg: 'x' }, 'no-such-leg', 'There is no leg x; see GET /api/v1/legs.'],
  [{ leg: 'alice-talk' }, 'nothing-to-impair', 'No leg of room 1000 carries media that could be impaired.'],
])('%j is refused: %s', async (target, reason, text) => {
  const error = await w.drills.start({ ...target, ...ask }).catch(e => e);
  expect(error).toBeInstanceOf(Refusal);
  expect((error as Refusal).why).toMatchObject({ reason, text });
  expect(w.drills.list()).toEqual([]);
  expect(w.facts.size).toBe(0);
});

test('a leg that cannot be impaired says so in words', async () => {
  const error = await w.bus
    .request(
      subjects.drill('talk'),
      { drill: 'd', leg: 'alice-talk', impaired: { seed: 1 }, ms: 1 },
      { timeoutMs: 1000 },
    )
    .catch(e => e);
  expect((error as Refusal).why).toMatchObject({
    reason: 'no-drill',
    text: expect.stringContaining('Media of stomp legs'),
  });
});

test('one drill a room', async () => {
  await w.drills.start({ room: '1000', ...ask });
  await expect(w.drills.start({ leg: 'bob-media', ...ask })).rejects.toThrow(
    'A drill runs in room 1000 already',
  );
  await w.drills.start({ room: '2000', ...ask });
  expect(w.drills.list().length).toBe(2);
});

test('a leg that ends meanwhile is forgotten, and the drill goes on', async () => {
  await w.drills.start({ room: '1000', ...ask });
  w.ends.get('bob-media')?.({ type: 'closed', why: { blame: 'none', reason: 'hung-up' } });
  await w.run(10_100);
  expect(w.drilled.get('bob-media')?.length).toBe(1);
  expect(last('alice-media')).toBeNull();
  await w.drills.close();
});
