import { describe, expect, test } from 'vitest';
import { SipWorld } from '../../../test/harness/sip-world.ts';
import { flowOfUri, flowTo, isSecure, type Transport } from './flow.ts';
import { contact, newVia, type Stack } from './stack.ts';
import { parseUri, type Uri } from './uri.ts';

test.each([
  ['sip:a@h', 'udp:h:5060'],
  ['sip:a@h:7', 'udp:h:7'],
  ['sip:a@h;transport=TCP', 'tcp:h:5060'],
  ['sip:a@h;transport=tls', 'tls:h:5061'],
  ['sips:a@h', 'tls:h:5061'],
  ['sips:a@h;transport=tcp', 'tls:h:5061'],
  ['sips:a@h:7;transport=udp', 'tls:h:7'],
  ['sip:a@h;transport=ws', 'ws:h:80'],
  ['sips:a@h;transport=ws', 'wss:h:443'],
  ['sip:a@[2001:db8::1]:9;transport=tcp', 'tcp:2001:db8::1:9'],
  ['sip:a@h;transport=sctp', 'udp:h:5060'],
])('%s goes to %s', (uri, id) => expect(flowOfUri(parseUri(uri) as Uri).id).toBe(id));

test('name and listener make another path, what else is known of it does not', () => {
  expect(flowTo('tls', 'h', 1, { name: 'a.example', largeByTcp: true }).id).toBe('tls:h:1/a.example');
  expect(flowTo('tcp', 'h', 1, { listener: 2 }).id).toBe('tcp:h:1@2');
  expect(flowTo('tcp', 'h', 1, { listener: 0, certified: ['x'] }).id).toBe('tcp:h:1');
  expect(flowTo('tcp', 'h', 1, flowTo('tls', 'x', 2, { listener: 1 }))).toMatchObject({
    id: 'tcp:h:1@1',
    host: 'h',
  });
});

test.each([
  ['udp', false, 'SIP/2.0/UDP', '<sip:u@[2001:db8::9]:5060>'],
  ['tcp', false, 'SIP/2.0/TCP', '<sip:u@[2001:db8::9]:5060;transport=tcp>'],
  ['tls', false, 'SIP/2.0/TLS', '<sip:u@[2001:db8::9]:5060;transport=tls>'],
  ['tls', true, 'SIP/2.0/TLS', '<sips:u@[2001:db8::9]:5060>'],
  ['ws', false, 'SIP/2.0/WS', '<sip:u@[2001:db8::9]:5060;transport=ws>'],
  ['wss', false, 'SIP/2.0/WSS', '<sip:u@[2001:db8::9]:5060;transport=ws>'],
  ['wss', true, 'SIP/2.0/WSS', '<sips:u@[2001:db8::9]:5060;transport=ws>'],
] as [Transport, boolean, string, string][])(
  'Via and Contact over %s, sips %s',
  (transport, sips, via, uri) => {
    const stack = {
      config: { local: () => ({ host: '2001:db8::9', port: 5060 }), random: Buffer.alloc },
    } as unknown as Stack;
    const flow = flowTo(transport, '2001:db8::1', 4000);
    expect(newVia(stack, flow)).toMatch(`${via} [2001:db8::9]:5060;branch=z9hG4bK`);
    expect(contact(stack, flow, 'u', sips)[1]).toBe(uri);
    expect(isSecure(flow)).toBe(transport === 'tls' || transport === 'wss');
  },
);

test('a datagram over IPv6 is answered where it came from, on the listener it came in by', () => {
  const world = new SipWorld({ seed: 1 });
  const peer = world.peer('2001:db8::9');
  const sent: string[] = [];
  world.carry = (_, flow, bytes) =>
    void sent.push(`${flow.id} ${/^Via:.*/m.exec(bytes.toString())?.[0].trim()}`);
  const options = (via: string): Buffer =>
    Buffer.from(
      `OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP ${via}\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:x>\r\nCall-ID: ${via.length}\r\nCSeq: 1 OPTIONS\r\n\r\n`,
    );
  const flow = flowTo('udp', '2001:db8::1', 4000, { listener: 1 });
  peer.feed({ type: 'datagram', flow, bytes: options('[2001:db8::1]:6000;branch=z9hG4bKa;rport') });
  peer.feed({ type: 'datagram', flow, bytes: options('[2001:db8::7]:6000;branch=z9hG4bKb') });
  expect(sent).toEqual([
    'udp:2001:db8::1:4000@1 Via: SIP/2.0/UDP [2001:db8::1]:6000;branch=z9hG4bKa;received=2001:db8::1;rport=4000',
    'udp:2001:db8::1:6000@1 Via: SIP/2.0/UDP [2001:db8::7]:6000;branch=z9hG4bKb;received=2001:db8::1',
  ]);
});

describe('a request that is too large for a datagram, RFC 3261 §18.1.1', () => {
  const sdp = `v=0\r\n${'a=x:0123456789\r\n'.repeat(90)}`;
  const dial = (largeByTcp: boolean, description = sdp, lost = '') => {
    const world = new SipWorld({ seed: 3 });
    const [a, b] = [world.peer('10.0.0.1'), world.peer('10.0.0.2')];
    b.on = (e, peer) => {
      if (e.type === 'invite') peer.feed({ type: 'answer', call: e.call, sdp: 'v=0\r\n' });
    };
    const went: string[] = [];
    const carry = world.carry.bind(world);
    world.carry = (from, flow, bytes) => {
      const via = /^Via: SIP\/2\.0\/(\S+)/m.exec(bytes.toString())?.[1];
      if (from === a) went.push(`${flow.transport} ${via} ${bytes.toString().split(' ', 1)[0]}`);
      if (flow.transport !== lost) carry(from, flow, bytes);
    };
    const flow = flowTo('udp', '10.0.0.2', 5060, { largeByTcp });
    a.feed({ type: 'dial', call: 'c', options: { to: 'sip:b@10.0.0.2', user: 'a', sdp: description, flow } });
    return { world, a, b, went };
  };

  test('goes by TCP, and so does all that belongs to it', () => {
    const { world, a, went } = dial(true);
    world.run(1000);
    expect(a.all('answered')).toHaveLength(1);
    expect(went).toEqual(['tcp TCP INVITE', expect.stringMatching(/ACK$/)]);
  });

  test('goes by UDP where nobody takes the connection', () => {
    const { world, a, b, went } = dial(true, sdp, 'tcp');
    a.feed({ type: 'flow-closed', flow: flowTo('tcp', '10.0.0.2', 5060) });
    expect(went).toEqual(['tcp TCP INVITE', 'udp UDP INVITE']);
    world.run(1000);
    expect(b.one('invite').flow.transport).toBe('udp');
    expect(a.all('answered')).toHaveLength(1);
  });

  test('goes by UDP where that is wanted; a small one always', () => {
    expect(dial(false).went).toEqual(['udp UDP INVITE']);
    expect(dial(true, 'v=0\r\n').went).toEqual(['udp UDP INVITE']);
  });

  test('is withdrawn the way it went', () => {
    const { world, a, b, went } = dial(true);
    b.on = () => {};
    world.run(100);
    a.feed({ type: 'hangup', call: 'c' });
    world.run(5000);
    expect(went).toEqual(['tcp TCP INVITE', 'tcp TCP CANCEL', 'tcp TCP ACK']);
  });
});

test('what an unknown sender gets for a datagram is not more than three times as much', () => {
  const head = 'Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\n';
  for (const [i, first] of [
    'OPTIONS sip:b SIP/2.0',
    'INVITE sip:b SIP/2.0',
    'BYE sip:b SIP/2.0',
    'FOO sip:b SIP/2.0',
    'OPTIONS b SIP/2.0',
    'OPTIONS sip:b SIP/3.0',
    'REGISTER sip:b SIP/2.0',
  ].entries()) {
    const world = new SipWorld({ seed: 1 });
    const peer = world.peer('10.0.0.2');
    let bytesOut = 0;
    world.carry = (_, __, bytes) => void (bytesOut += bytes.length);
    const method = first.split(' ', 1)[0];
    const text = `${first}\r\n${head}CSeq: ${i + 1} ${method}\r\n\r\n`;
    world.inject(peer, text);
    world.run(100);
    expect(bytesOut, first).toBeGreaterThan(0);
    expect(bytesOut / text.length, first).toBeLessThan(3);
  }
});
