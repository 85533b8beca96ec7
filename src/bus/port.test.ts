import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type NatsServer, natsMissing, startNatsServer } from '../../test/harness/nats-server.ts';
import type { Json } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { KeptEvent } from './events.ts';
import { inProcessBus } from './in-process.ts';
import { natsBus } from './nats.ts';
import type { Bus, BusOptions, BusState } from './port.ts';
import { subjectWord } from './subject.ts';

const bugs: string[] = [];
const counts: string[] = [];
const base: BusOptions = {
  clock: systemClock,
  onBug: error => void bugs.push((error as Error).message),
  count: reason => void counts.push(reason),
};

/** One suite, two buses: whatever holds for one holds for the other. */
describe.each([
  { kind: 'in one process', runs: true },
  { kind: 'NATS', runs: !natsMissing },
])('the bus, $kind', ({ kind, runs }) => {
  describe.skipIf(!runs)('', () => {
    let nats: NatsServer | undefined;
    const open: Bus[] = [];
    beforeAll(async () => {
      if (kind === 'NATS') nats = await startNatsServer();
    });
    afterAll(() => nats?.kill());
    afterEach(async () => {
      await Promise.all(open.splice(0).map(b => b.close()));
      bugs.length = counts.length = 0;
    });
    /** Two ends of one bus: over NATS two connections, in one process the same. */
    const pair = async (limits: BusOptions['limits'] = {}): Promise<[Bus, Bus]> => {
      const options = { ...base, limits: { closeWaitMs: 100, ...limits } };
      const make = async (): Promise<Bus> =>
        nats === undefined ? inProcessBus(options) : natsBus({ ...options, url: nats.url, name: 'test' });
      const a = await make();
      const b = nats === undefined ? a : await make();
      open.push(a, b);
      return [a, b];
    };
    /** A server or subscription is in force on the other connection once a round trip through it has happened. */
    let settles = 0;
    const settle = async (...buses: Bus[]): Promise<void> => {
      for (const b of buses) {
        const subject = `settle.${settles++}`;
        const stop = b.serve(subject, () => null);
        await b.request(subject, null, { timeoutMs: 2000 });
        stop();
      }
    };
    const refusal = (p: Promise<unknown>): Promise<Refusal['why']> =>
      p.then(
        v => Promise.reject(new Error(`answered ${JSON.stringify(v)}`)),
        e => (e instanceof Refusal ? e.why : Promise.reject(e)),
      );

    it('carries a request and its answer, as JSON', async () => {
      const [a, b] = await pair();
      const asked: Json[] = [];
      b.serve('room.1000.join', data => {
        asked.push(data);
        return { welcome: true, gone: undefined };
      });
      await settle(b);
      const question = { leg: 'l1', list: [1, 'two', null, { deep: 'ünï' }], dropped: undefined };
      const answer = await a.request('room.1000.join', question, { timeoutMs: 2000 });
      expect(asked).toEqual([{ leg: 'l1', list: [1, 'two', null, { deep: 'ünï' }] }]);
      expect(Object.hasOwn(asked[0] as object, 'dropped')).toBe(false);
      expect(asked[0]).not.toBe(question);
      expect(answer).toEqual({ welcome: true });
      expect(Object.hasOwn(answer as object, 'gone')).toBe(false);
    });

    it('answers in a later turn, never inside the call', async () => {
      const [a, b] = await pair();
      const order: string[] = [];
      b.serve('x', () => order.push('served'));
      b.subscribe('y', () => void order.push('told'));
      await settle(b);
      const answered = a.request('x', null, { timeoutMs: 2000 });
      a.publish('y', 1);
      order.push('called');
      await answered;
      await settle(a, b);
      expect(order[0]).toBe('called');
      expect(order.slice(1).sort()).toEqual(['served', 'told']);
    });

    it('carries the words of a refusal', async () => {
      const [a, b] = await pair();
      b.serve('door', async () => {
        throw refuse('client', 'room-locked', 'Room 1000 is locked; ask a member to open it.');
      });
      await settle(b);
      expect(await refusal(a.request('door', null, { timeoutMs: 2000 }))).toEqual({
        blame: 'client',
        reason: 'room-locked',
        text: 'Room 1000 is locked; ask a member to open it.',
      });
      expect(bugs).toEqual([]);
    });

    it('tells the asker of a bug no more than that, and the owner all', async () => {
      const [a, b] = await pair();
      b.serve('bug', () => {
        throw new Error('undefined is not a room');
      });
      b.serve('fine', () => 'still here');
      await settle(b);
      const why = await refusal(a.request('bug', null, { timeoutMs: 2000 }));
      expect(why).toMatchObject({ blame: 'server', reason: 'internal-error' });
      expect(JSON.stringify(why)).not.toContain('undefined');
      expect(bugs).toEqual(['undefined is not a room']);
      expect(await a.request('fine', null, { timeoutMs: 2000 })).toBe('still here');
    });

    it('refuses at once where nobody serves', async () => {
      const [a, b] = await pair();
      const stop = b.serve('once', () => 1);
      await settle(b);
      stop();
      await settle(b);
      expect(await refusal(a.request('once', null, { timeoutMs: 60_000 }))).toMatchObject({
        blame: 'server',
        reason: 'no-responder',
      });
    });

    it('gives up in time', async () => {
      const [a, b] = await pair();
      b.serve('slow', () => new Promise(() => {}));
      await settle(b);
      const why = await refusal(a.request('slow', null, { timeoutMs: 30 }));
      expect(why).toMatchObject({ blame: 'server', reason: 'timeout' });
      expect(why.text).toContain('30 ms');
    });

    it('shares the requests of a subject among its servers', async () => {
      const [a, b] = await pair();
      const served = [0, 0];
      a.serve('shared', () => ++served[0]!);
      b.serve('shared', () => ++served[1]!);
      await settle(a, b);
      await Promise.all(Array.from({ length: 60 }, () => a.request('shared', null, { timeoutMs: 2000 })));
      expect(served[0]! + served[1]!).toBe(60);
      expect(Math.min(...served)).toBeGreaterThan(0);
    });

    it('tells every subscriber, in order, by pattern', async () => {
      const [a, b] = await pair();
      const heard: Record<string, string[]> = { exact: [], one: [], all: [], other: [] };
      b.subscribe('leg.l1.event', (d, s) => void heard['exact']!.push(`${s}=${d}`));
      b.subscribe('leg.*.event', (d, s) => void heard['one']!.push(`${s}=${d}`));
      const stop = b.subscribe('leg.>', (d, s) => void heard['all']!.push(`${s}=${d}`));
      b.subscribe('leg.*', d => void heard['other']!.push(String(d)));
      await settle(b);
      for (let i = 0; i < 20; i++) a.publish(i % 2 ? 'leg.l1.event' : 'leg.l2.event', i);
      a.publish('leg.l1.event.more', 20);
      await settle(a, b);
      stop();
      await settle(b);
      a.publish('leg.l1.event', 21);
      await settle(a, b);
      const odd = Array.from({ length: 10 }, (_, i) => `leg.l1.event=${2 * i + 1}`);
      const both = Array.from({ length: 20 }, (_, i) => `leg.${i % 2 ? 'l1' : 'l2'}.event=${i}`);
      expect(heard['exact']).toEqual([...odd, 'leg.l1.event=21']);
      expect(heard['one']).toEqual([...both, 'leg.l1.event=21']);
      expect(heard['all']).toEqual([...both, 'leg.l1.event.more=20']);
      expect(heard['other']).toEqual([]);
    });

    it('keeps a throwing subscriber to itself', async () => {
      const [a, b] = await pair();
      const heard: Json[] = [];
      b.subscribe('news', () => {
        throw new Error('deaf');
      });
      b.subscribe('news', d => void heard.push(d));
      await settle(b);
      a.publish('news', 'first');
      a.publish('news', 'second');
      await settle(a, b);
      expect(heard).toEqual(['first', 'second']);
      expect(bugs).toEqual(['deaf', 'deaf']);
    });

    it('refuses what is too large, asked, answered or told', async () => {
      const [a, b] = await pair();
      const big = 'x'.repeat(512 * 1024);
      b.serve('big', () => big);
      await settle(b);
      const asked = await refusal(a.request('big', big, { timeoutMs: 2000 }));
      expect(asked).toMatchObject({ reason: 'too-large' });
      expect(asked.text).toContain('524288');
      expect(await refusal(a.request('big', null, { timeoutMs: 2000 }))).toMatchObject({
        reason: 'too-large',
      });
      expect(() => a.publish('big', big)).toThrow(Refusal);
    });

    it('bounds what waits and what runs', async () => {
      const [a, b] = await pair({ pendingRequests: 2, runningHandlers: 1 });
      let release = (): void => {};
      b.serve('hold', () => new Promise<Json>(done => void (release = () => done('held'))));
      await settle(b);
      const first = a.request('hold', null, { timeoutMs: 5000 });
      const second = refusal(a.request('hold', null, { timeoutMs: 5000 }));
      const third = await refusal(a.request('hold', null, { timeoutMs: 5000 }));
      expect(third).toMatchObject({ blame: 'server', reason: 'busy' });
      expect(await second).toMatchObject({ blame: 'server', reason: 'busy' });
      release();
      expect(await first).toBe('held');
    });

    it('throws on a subject nobody should have written', async () => {
      const [a] = await pair();
      await expect(a.request('room.*', null, { timeoutMs: 100 })).rejects.toThrow(RangeError);
      for (const bad of ['', 'a..b', '.a', 'a b', 'a.>', 'a\n'])
        expect(() => a.publish(bad, 1), bad).toThrow(RangeError);
      for (const bad of ['a.>.b', '', 'a..'])
        expect(() => a.subscribe(bad, () => {}), bad).toThrow(RangeError);
    });

    it('closes: running handlers answer, waiting requests are refused, the rest is silence', async () => {
      const [a, b] = await pair();
      let release = (): void => {};
      const running = new Promise<void>(started => {
        b.serve('work', () => {
          started();
          return new Promise<Json>(done => void (release = () => done('done')));
        });
      });
      a.serve('never', () => new Promise(() => {}));
      await settle(a, b);
      const answered = a.request('work', null, { timeoutMs: 5000 });
      const waiting = kind === 'NATS' ? refusal(b.request('never', null, { timeoutMs: 5000 })) : undefined;
      await running;
      const closed = b.close();
      release();
      expect(await answered).toBe('done');
      await closed;
      await b.close();
      if (waiting) expect(await waiting).toMatchObject({ reason: 'bus-closed' });
      expect(await refusal(b.request('work', null, { timeoutMs: 100 }))).toMatchObject({
        reason: 'bus-closed',
      });
      expect(() => b.publish('x', 1)).not.toThrow();
      b.serve('x', () => 1)();
      b.subscribe('x', () => {})();
    });

    describe('keys and values', () => {
      it('agree on who was first', async () => {
        const [{ kv: a }, { kv: b }] = await pair();
        expect(await a.get('room.1')).toBeUndefined();
        const [one, other] = await Promise.all([a.create('room.1', { node: 'a' }), b.create('room.1', 'b')]);
        expect([one, other].filter(r => r !== undefined)).toHaveLength(1);
        const first = (one ?? other) as number;
        const entry = await b.get('room.1');
        expect(entry).toEqual({ value: one ? { node: 'a' } : 'b', revision: first });

        const writes = await Promise.all([
          a.update('room.1', 'from a', first),
          b.update('room.1', 'from b', first),
        ]);
        expect(writes.filter(r => r !== undefined)).toHaveLength(1);
        const second = writes.find(r => r !== undefined) as number;
        expect(second).toBeGreaterThan(first);
        expect(await a.update('room.1', 'late', first)).toBeUndefined();
        expect(await a.get('room.1')).toEqual({
          value: writes[0] ? 'from a' : 'from b',
          revision: second,
        });

        expect(await b.delete('room.1', first)).toBe(false);
        expect(await b.delete('room.1', second)).toBe(true);
        expect(await a.get('room.1')).toBeUndefined();
        expect(await a.update('room.1', 'undead', second)).toBeUndefined();
        expect(await a.delete('room.1')).toBe(false);
        const third = await a.create('room.1', 'anew');
        expect(third).toBeGreaterThan(second);
        expect(await b.delete('room.1')).toBe(true);
      });

      it('are listed by whole words, whatever a stranger called a room', async () => {
        const [{ kv: a }, { kv: b }] = await pair();
        const names = ['1000', 'a.b *>', '会', ''];
        for (const name of names) await a.create(`list.room.${subjectWord(name)}`, name);
        await a.create('list.rooms.1000', 'another');
        await a.create('list.room', 'the prefix itself');
        const keys = await b.keys('list.room');
        expect(keys.sort()).toEqual(names.map(n => `list.room.${subjectWord(n)}`).sort());
        const read = await Promise.all(keys.map(async key => (await b.get(key))?.value));
        expect(read.sort()).toEqual([...names].sort());
        expect(await b.keys('list.nothing')).toEqual([]);
        for (const bad of ['', 'a..b', '.a', 'a b', 'a.*', 'a=b'])
          await expect(a.get(bad), bad).rejects.toThrow(RangeError);
        expect(await refusal(a.create('list.big', 'x'.repeat(512 * 1024)))).toMatchObject({
          reason: 'too-large',
        });
      });

      it('tell who watches of what is there and of every change', async () => {
        const [{ kv: a }, { kv: b }] = await pair();
        const first = (await a.create('watch.1', 'one')) as number;
        const told: string[] = [];
        let wake = (): void => {};
        const stop = b.watch('watch', (key, entry) => {
          told.push(`${key} ${JSON.stringify(entry?.value)}`);
          wake();
        });
        const until = async (count: number): Promise<void> => {
          while (told.length < count) await new Promise<void>(done => void (wake = done));
        };
        await until(1);
        const second = (await a.update('watch.1', 'two', first)) as number;
        await a.create('watched.1', 'not this');
        await a.create('watch.2', 'other');
        await until(3);
        await a.delete('watch.1', second);
        await until(4);
        expect(told).toEqual(['watch.1 "one"', 'watch.1 "two"', 'watch.2 "other"', 'watch.1 undefined']); // prettier-ignore
        stop();
        await a.create('watch.3', 'unheard');
        await b.get('watch.3');
        expect(told).toHaveLength(4);
        expect(bugs).toEqual([]);
      });
    });

    describe('events', () => {
      /** Resolves with the events `name` was told of once there are `count`. */
      const collect = (bus: Bus, name: string, count: number, handle = async () => {}) => {
        const told: KeptEvent[] = [];
        let stop = (): void => {};
        const all = new Promise<KeptEvent[]>(done => {
          stop = bus.events.consume(name, async event => {
            await handle();
            told.push(event);
            if (told.length === count) done(told);
          });
        });
        return { all, told, stop: () => stop() };
      };
      /** The consumer exists once it has told of something. */
      const ready = async (publisher: Bus, bus: Bus, name: string): Promise<void> => {
        const probe = collect(bus, name, 1);
        const repeat = setInterval(() => publisher.events.publish({ type: 'agent.up', agent: 'probe' }), 50);
        await probe.all;
        clearInterval(repeat);
        probe.stop();
      };

      it('are told in order, and go on where their consumer stopped', async () => {
        const [a, b] = await pair();
        await ready(a, b, `order-${kind.length}`);
        const legs = (events: readonly KeptEvent[]): string[] => events.flatMap(e => e.leg ?? []);
        for (let n = 0; n < 5; n++) a.events.publish({ type: 'leg.opened', leg: `l${n}`, room: '1000' });
        const first: string[] = [];
        await new Promise<void>(done => {
          const stop = b.events.consume(`order-${kind.length}`, async event => {
            first.push(...legs([event]));
            if (event.leg === 'l2') {
              stop();
              done();
            }
          });
        });
        expect(first.slice(0, 3)).toEqual(['l0', 'l1', 'l2']);
        const rest: string[] = [];
        await new Promise<void>(done => {
          const stop = b.events.consume(`order-${kind.length}`, async event => {
            expect(event).toMatchObject({ type: 'leg.opened', room: '1000' });
            expect(Math.abs(event.at - Date.now())).toBeLessThan(60_000);
            rest.push(...legs([event]));
            if (event.leg === 'l4') {
              stop();
              done();
            }
          });
        });
        expect(rest.slice(-2)).toEqual(['l3', 'l4']);
      }, 20_000);

      it('of one id are one; who cannot handle one is told again', async () => {
        const [a, b] = await pair();
        await ready(a, b, `again-${kind.length}`);
        a.events.publish({ type: 'agent.down', agent: 'x', id: 'x-down' });
        a.events.publish({ type: 'agent.down', agent: 'x', id: 'x-down' });
        a.events.publish({ type: 'agent.down', agent: 'y', id: 'y-down' });
        let failed = false;
        const seen: string[] = [];
        await new Promise<void>(done => {
          const stop = b.events.consume(`again-${kind.length}`, async event => {
            if (event.type !== 'agent.down') return;
            if (!failed) {
              failed = true;
              throw new Error('not now');
            }
            seen.push(event.id);
            if (event.id === 'y-down') {
              stop();
              done();
            }
          });
        });
        expect(seen).toEqual(['x-down', 'y-down']);
      }, 20_000);
    });

    it('says at once that it is up', async () => {
      const [a] = await pair();
      const states: BusState[] = [];
      a.onState(s => void states.push(s))();
      expect(states).toEqual(['up']);
    });
  });
});
