import { expect, it } from 'vitest';
import { ManualClock } from '../../test/harness/link.ts';
import { inProcessBus } from '../bus/in-process.ts';
import type { Bus, BusState } from '../bus/port.ts';
import { sharedSecrets } from './secrets.ts';

const options = {
  clock: new ManualClock(),
  onBug: (e: unknown) => {
    throw e;
  },
  count: () => {},
};

it('is 32 bytes, one for each name, the same in all processes', async () => {
  const bus = inProcessBus(options);
  const [one, other] = [sharedSecrets(bus), sharedSecrets(bus)];
  const [a, b, c] = await Promise.all([one('native'), other('native'), other('relay')]);
  expect(a).toHaveLength(32);
  expect(b).toEqual(a);
  expect(c).not.toEqual(a);
  expect(await one('native')).toBe(a);
});

it('is put back by who has it when the store was lost', async () => {
  let kv = inProcessBus(options).kv;
  let tell: (s: BusState) => void = () => {};
  const bus: Pick<Bus, 'kv' | 'onState'> = {
    kv: { ...kv, get: key => kv.get(key), create: (key, value) => kv.create(key, value) },
    onState: on => {
      tell = on;
      return () => {};
    },
  };
  const had = await sharedSecrets(bus)('native');
  kv = inProcessBus(options).kv;
  tell('down');
  tell('up');
  expect(await sharedSecrets(bus)('native')).toEqual(had);
});
