import { beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { ManualClock } from '../../test/harness/link.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Bus } from '../bus/port.ts';
import type { Front, Json } from '../contract.ts';
import { Wills } from './wills.ts';

const WHY = { blame: 'server', reason: 'front-lost' } as const;
const WILL = { gateway: 'sip', leg: 'leg-1', native: { callId: 'x' }, why: WHY };

let clock: ManualClock;
let bus: Bus;
let executed: Json[];

beforeEach(() => {
  clock = new ManualClock();
  bus = inProcessBus({ clock, onBug: () => {}, count: () => {} });
  executed = [];
});

const front = (): Front => ({
  start: async () => [],
  close: async () => {},
  execute: async native => void executed.push(native),
});
const settle = () => new Promise(setImmediate);

test('another front of the gateway executes it, once', async () => {
  for (let i = 0; i < 2; i++) new Wills(bus, clock, silentLog).serve('sip', front());
  new Wills(bus, clock, silentLog).execute(WILL);
  await settle();
  expect(executed).toEqual([WILL.native]);
  expect(clock.armed).toBe(0);
});

test('a front that comes later executes it, and one of another gateway does not', async () => {
  const wills = new Wills(bus, clock, silentLog);
  wills.serve('rtmp', front());
  wills.execute(WILL);
  for (let s = 0; s < 10; s++) {
    await settle();
    clock.advance(1000);
  }
  expect(executed).toEqual([]);
  wills.serve('sip', front());
  clock.advance(1000);
  await settle();
  expect(executed).toEqual([WILL.native]);
});

test('after a minute, or at the end of this process, nobody is waited for any more', async () => {
  const [tired, closed] = [new Wills(bus, clock, silentLog), new Wills(bus, clock, silentLog)];
  tired.execute(WILL);
  closed.execute(WILL);
  await settle();
  closed.close();
  for (let s = 0; s < 62; s++) {
    await settle();
    clock.advance(1000);
  }
  expect(clock.armed).toBe(0);
});
