import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { Refusal } from '../kit/refusal.ts';
import { systemClock as clock } from './clock.ts';
import { openUdp, SendSlots, type UdpPair, UdpPorts } from './udp.ts';

const pairs: UdpPair[] = [];
const none = { rtp() {}, rtcp() {} };
const pair = async (ports: UdpPorts, on: Parameters<UdpPorts['open']>[1] = none, family: 4 | 6 = 4) => {
  const p = await ports.open(family, on);
  pairs.push(p);
  return p;
};
afterEach(() => {
  for (const p of pairs.splice(0)) p.close();
});

/** Even ports free at this moment, found by asking for them. */
async function freeRange(count: number): Promise<{ min: number; max: number }> {
  const ports = new UdpPorts({ min: 0, max: 0, clock });
  for (;;) {
    const { rtp, close } = await ports.open(4, none);
    const min = rtp.port;
    close();
    if (min + 2 * count < 65_000) return { min, max: min + 2 * count - 1 };
  }
}

test('the system gives an even port and its odd neighbour', async () => {
  const { rtp, rtcp } = await pair(new UdpPorts({ min: 0, max: 0, clock }));
  expect(rtp.port % 2).toBe(0);
  expect(rtcp.port).toBe(rtp.port + 1);
});

test('datagrams arrive at their own handler with source and time', async () => {
  let heard: (v: unknown[]) => void = () => {};
  const at = new Promise<unknown[]>(done => (heard = done));
  const { rtcp } = await pair(new UdpPorts({ min: 0, max: 0, clock }), {
    rtp: () => heard(['wrong socket']),
    rtcp: (bytes, address, port, now) => heard([bytes.toString(), address, port, now <= clock.now()]),
  });
  const peer = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(peer, 'listening');
  peer.send('hello', rtcp.port, '127.0.0.1');
  expect(await at).toEqual(['hello', '127.0.0.1', peer.address().port, true]);
  peer.close();
});

test('a range is given out whole, then refused in a sentence, and freed by close', async () => {
  const range = await freeRange(3);
  const ports = new UdpPorts({ ...range, clock });
  const got = [await pair(ports), await pair(ports), await pair(ports)];
  expect(new Set(got.map(p => p.rtp.port)).size).toBe(3);
  for (const p of got) expect(p.rtp.port >= range.min && p.rtcp.port <= range.max).toBe(true);
  expect(ports.inUse).toBe(3);
  const refusal = await ports.open(4, none).catch((e: unknown) => e);
  expect(refusal).toBeInstanceOf(Refusal);
  expect((refusal as Refusal).why).toEqual({
    blame: 'server',
    reason: 'no-port',
    text: `All RTP ports from ${range.min} to ${range.max} are in use; widen rtpPorts or end calls.`,
  });
  got[1]!.close();
  got[1]!.close();
  expect(ports.inUse).toBe(2);
  expect((await pair(ports)).rtp.port).toBe(got[1]!.rtp.port);
});

test('a port somebody else holds is passed over, with its pair', async () => {
  const range = await freeRange(2);
  const taken = dgram.createSocket('udp4').bind(range.min + 1);
  await once(taken, 'listening');
  const ports = new UdpPorts({ ...range, clock });
  expect((await pair(ports)).rtp.port).toBe(range.min + 2);
  await expect(ports.open(4, none)).rejects.toBeInstanceOf(Refusal);
  taken.close();
});

test('sending to nowhere, to a name, or after close is counted or ignored, never thrown', async () => {
  const socket = await openUdp({ family: 4, port: 0, clock, on() {} });
  socket.send(Buffer.from('x'), 1, 0, '127.0.0.1');
  socket.send(Buffer.from('x'), 1, 9, 'example.test');
  socket.send(Buffer.from('x'), 1, 9, '::1');
  socket.send(Buffer.alloc(70_000), 70_000, 9, '127.0.0.1');
  await new Promise(done => setImmediate(done));
  expect(socket.sendErrors).toBe(4);
  socket.close();
  socket.close();
  socket.send(Buffer.from('x'), 1, 9, '127.0.0.1');
  expect(socket.queued()).toBe(0);
});

test('IPv6', async () => {
  let heard: (v: string) => void = () => {};
  const at = new Promise<string>(done => (heard = done));
  const ports = new UdpPorts({ min: 0, max: 0, clock });
  const a = await pair(ports, { rtp: (b, address) => heard(`${b} ${address}`), rtcp() {} }, 6);
  const b = await pair(ports, none, 6);
  b.rtp.send(Buffer.from('hi'), 2, a.rtp.port, '::1');
  expect(await at).toBe('hi ::1');
});

test('slots are begun anew only when the queue is empty', () => {
  const slots = new SendSlots(100);
  const first = slots.take(0);
  expect(slots.take(0)).toBe(first);
  const burst = Array.from({ length: 40 }, (_, i) => slots.take(i + 1));
  expect(new Set([first, ...burst]).size).toBe(41);
  expect(slots.take(0)).toBe(first);
  expect(slots.take(1)).toBe(burst[0]);
});
