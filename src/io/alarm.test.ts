import { expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { Alarm } from './alarm.ts';

it('rings at the earliest it was set to, and not again; stopped, never', () => {
  const clock = new VirtualClock(0);
  const rings: number[] = [];
  const alarm = new Alarm(clock, now => void rings.push(now));
  alarm.set(100);
  alarm.set(200); // moved away: it rings at 100, and whoever rings looks
  clock.run(150);
  expect(rings).toEqual([100]);
  alarm.set(300);
  alarm.set(250);
  clock.run(200);
  expect(rings).toEqual([100, 250]);
  alarm.set(400);
  alarm.stop();
  alarm.set(500);
  clock.run(500);
  expect(rings).toEqual([100, 250]);
});
