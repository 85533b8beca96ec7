import { expect, test } from 'vitest';
import { ANSWER, header, idle, lastSent, pair, talking } from '../../../test/harness/sip-pair.ts';
import type { SipPeer } from '../../../test/harness/sip-world.ts';
import { flowTo } from './flow.ts';

/** A call over a connection that then breaks, for both. */
function broken(): ReturnType<typeof pair> & { call: string } {
  const w = pair();
  const call = talking(w, { to: 'sip:1000@10.0.0.2;transport=tcp' });
  breaks(w.a, w.b);
  return { ...w, call };
}
const breaks = (a: SipPeer, b: SipPeer): void => {
  a.feed({ type: 'flow-closed', flow: flowTo('tcp', b.host, 5060) });
  b.feed({ type: 'flow-closed', flow: flowTo('tcp', a.host, 5060) });
};
test('the call lives; the next request of either side opens a new connection', () => {
  for (const side of ['a', 'b'] as const) {
    const w = broken();
    expect([...w.a.all('ended'), ...w.b.all('ended')]).toEqual([]);
    w[side].feed({ type: 'hangup', call: side === 'a' ? 'c1' : w.call });
    w.world.run();
    expect(header(lastSent(w[side], 'BYE'), 'Via')).toMatch(/^SIP\/2\.0\/TCP /);
    expect([w.a.all('ended').length, w.b.all('ended').length]).toEqual([1, 1]);
    idle(w.a, w.b);
  }
});

test('a request on its way when the connection breaks goes once more, over a new one', () => {
  const w = pair();
  talking(w, { to: 'sip:1000@10.0.0.2;transport=tcp' });
  const carry = w.world.carry;
  w.world.carry = () => {}; // into the void
  w.a.feed({ type: 'info', call: 'c1', contentType: 'application/dtmf-relay', content: 'Signal=1' });
  w.world.carry = carry;
  breaks(w.a, w.b);
  w.world.run(1000);
  expect(w.a.sent.filter(l => l.startsWith('INFO'))).toHaveLength(2);
  expect(w.b.one('info').content).toBe('Signal=1');
});

test('and is given up when that fails as well', () => {
  const w = pair();
  talking(w, { to: 'sip:1000@10.0.0.2;transport=tcp' });
  w.world.carry = () => {};
  w.a.feed({ type: 'hangup', call: 'c1' });
  for (let i = 0; i < 3; i++) w.a.feed({ type: 'flow-closed', flow: flowTo('tcp', '10.0.0.2', 5060) });
  expect(w.a.sent.filter(l => l.startsWith('BYE'))).toHaveLength(2);
  expect(w.a.one('ended')).toMatchObject({ by: 'local' });
  w.world.run();
  idle(w.a);
});

/** RFC 3261 §18.2.2. */
test('a response whose connection is gone goes to the address the request came from, at the port its Via names', () => {
  const w = pair();
  // From an ephemeral port, as phones do; the Via names the one it listens at.
  const flow = flowTo('tcp', '10.0.0.1', 41234);
  const went: string[] = [];
  w.world.carry = (_, to, bytes) => void went.push(`${to.id} ${bytes.toString('latin1', 8, 11)}`);
  const text = [
    'INVITE sip:1000@10.0.0.2;transport=tcp SIP/2.0',
    'Via: SIP/2.0/TCP phone.example:5070;branch=z9hG4bKx',
    'From: <sip:a@h>;tag=1',
    'To: <sip:1000@10.0.0.2>',
    'Call-ID: x',
    'CSeq: 1 INVITE',
    'Contact: <sip:a@10.0.0.1:5070;transport=tcp>',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
  w.b.feed({ type: 'chunk', flow, bytes: Buffer.from(text) });
  w.b.feed({ type: 'flow-closed', flow });
  w.b.feed({ type: 'answer', call: w.b.one('invite').call, sdp: ANSWER });
  expect(went).toEqual(['tcp:10.0.0.1:41234 100', 'tcp:10.0.0.1:5070 200']);
});
