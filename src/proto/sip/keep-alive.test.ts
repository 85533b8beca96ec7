import { expect, test } from 'vitest';
import { SipWorld } from '../../../test/harness/sip-world.ts';
import type { SipOutput } from './events.ts';
import { type Flow, flowTo } from './flow.ts';
import { stunAnswer } from './keep-alive.ts';

const REQUEST = Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex');

test.each([
  ['192.0.2.1', '002000080001a147e112a643'], // RFC 5769 §2.2
  ['2001:db8:1234:5678:11:2233:4455:6677', '002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9'], // §2.3
])('STUN on the SIP port says where %s is seen', (host, attribute) => {
  const answer = stunAnswer(REQUEST, flowTo('udp', host, 32_853)) as Buffer;
  expect(answer.subarray(20).toString('hex')).toBe(attribute);
  expect(answer.subarray(4, 20)).toEqual(REQUEST.subarray(4));
  expect(answer.readUInt16BE(0)).toBe(0x0101);
  expect(answer.readUInt16BE(2)).toBe(answer.length - 20);
});

test('what is no Binding request gets no answer', () => {
  const flow = flowTo('udp', '192.0.2.1', 1);
  for (let i = 0; i < REQUEST.length; i++) expect(stunAnswer(REQUEST.subarray(0, i), flow)).toBeUndefined();
  for (const [at, value] of [
    [1, 2],
    [3, 4],
    [4, 0],
  ] as const) {
    const other = Buffer.from(REQUEST);
    other[at] = value;
    expect(stunAnswer(other, flow)).toBeUndefined();
  }
});

/** An endpoint and what it says to `flow`. */
function keeping(flow: Flow) {
  const world = new SipWorld({ seed: 7 });
  const peer = world.peer('10.0.0.1');
  const said = () => peer.others.splice(0);
  peer.feed({ type: 'keep-alive', flow, everyMs: 30_000 });
  return { world, peer, said };
}
const closes = (outs: readonly SipOutput[]): number => outs.filter(o => o.type === 'close-flow').length;

test('pings come within 80 to 100 % of their time; a pong, or any other word, shows that the path lives', () => {
  const flow = flowTo('tcp', '10.0.0.2', 5060);
  const { world, peer, said } = keeping(flow);
  let before = world.now;
  for (let pings = 1; pings <= 3; pings++) {
    while (peer.sent.length < pings) world.run(100);
    expect(world.now - before).toBeGreaterThan(23_800);
    expect(world.now - before).toBeLessThan(30_200);
    before = world.now;
    world.run(5000);
    peer.feed({ type: 'chunk', flow, bytes: Buffer.from('\r\n') });
  }
  expect(closes(said())).toBe(0);
  while (peer.sent.length < 4) world.run(100);
  world.run(9900);
  expect(closes(said())).toBe(0);
  world.run(200); // RFC 5626 §4.4.1: 10 s without a pong
  expect(closes(said())).toBe(1);
  peer.feed({ type: 'flow-closed', flow });
  world.run(120_000);
  expect(peer.sent).toHaveLength(4);
  expect(peer.endpoint.load.timers).toBe(0);
});

test('a server that knows no pings is let be; its own pings are answered in between', () => {
  const flow = flowTo('tls', '10.0.0.2', 5061);
  const { world, peer, said } = keeping(flow);
  world.run(100_000);
  expect(peer.sent.length).toBeGreaterThan(2);
  expect(closes(said())).toBe(0);
  const before = peer.sent.length;
  peer.feed({ type: 'chunk', flow, bytes: Buffer.from('\r\n'.repeat(before + 2)) }); // late pongs, and one ping
  expect(peer.sent.length).toBe(before + 1);
});

test('over UDP nobody owes an answer', () => {
  const flow = flowTo('udp', '10.0.0.2', 5060);
  const { world, peer, said } = keeping(flow);
  world.run(100_000);
  expect(peer.sent.length).toBeGreaterThan(2);
  expect(closes(said())).toBe(0);
  peer.feed({ type: 'keep-alive', flow, everyMs: undefined });
  expect(peer.endpoint.load.timers).toBe(0);
});

test('a WebSocket that sends line ends gets one back; the sender of STUN over UDP its address', () => {
  const world = new SipWorld({ seed: 7 });
  const peer = world.peer('10.0.0.1');
  peer.feed({ type: 'datagram', flow: flowTo('wss', '10.0.0.3', 4000), bytes: Buffer.from('\r\n\r\n') });
  expect(peer.sent).toEqual(['']);
  peer.feed({ type: 'datagram', flow: flowTo('udp', '10.0.0.3', 4000), bytes: REQUEST });
  expect(peer.sent).toHaveLength(2);
  peer.feed({ type: 'datagram', flow: flowTo('udp', '10.0.0.3', 4000), bytes: Buffer.from('\r\n\r\n') });
  expect(peer.sent).toHaveLength(2);
});
