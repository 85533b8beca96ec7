import { expect, it } from 'vitest';
import { systemClock as clock } from './clock.ts';
import { openUdp } from './udp.ts';
import { openUdpPath } from './udp-path.ts';

it('sends to its peer, and hears when nobody is there', async () => {
  let heard: (text: string) => void = () => {};
  const arrived = new Promise<string>(done => (heard = done));
  const peer = await openUdp({ family: 4, address: '127.0.0.1', port: 0, clock, on: b => heard(String(b)) });
  const refusals: (string | undefined)[] = [];
  let tell = (): void => {};
  const refused = new Promise<void>(done => (tell = done));
  const path = await openUdpPath('127.0.0.1', peer.port, e => {
    refusals.push(e.code);
    tell();
  });
  expect(path.localAddress).toBe('127.0.0.1');
  path.send(Buffer.from('hello'));
  expect(await arrived).toBe('hello');
  expect(refusals).toEqual([]);
  peer.close();
  path.send(Buffer.from('anyone?'));
  await refused;
  expect(refusals[0]).toBe('ECONNREFUSED');
  path.close();
  path.close();
  path.send(Buffer.from('ignored'));
});

it('rejects where no route leads', async () => {
  const error = await openUdpPath('255.255.255.255', 9, () => {}).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Error);
});
