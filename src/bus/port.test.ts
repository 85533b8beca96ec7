import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type NatsServer, natsMissing, startNatsServer } from '../../test/harness/nats-server.ts';
import type { Json } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import { inProcessBus } from './in-process.ts';
import { natsBus } from './nats.ts';
import type { Bus, BusOptions, BusState } from './port.ts';

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

    it('says at once that it is up', async () => {
      const [a] = await pair();
      const states: BusState[] = [];
      a.onState(s => void states.push(s))();
      expect(states).toEqual(['up']);
    });
  });
});
