import { expect, test } from 'vitest';
import { SipWorld } from '../../../test/harness/sip-world.ts';

/** One answer to one request from a stranger: its text. */
function ask(
  method: string,
  extra: string[] = [],
  o: { uri?: string; config?: object; body?: string } = {},
): string {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2', { infoTypes: ['application/dtmf'], ...o.config });
  const answers: string[] = [];
  const carry = world.carry.bind(world);
  world.carry = (from, flow, bytes) => {
    answers.push(bytes.toString('latin1'));
    carry(from, flow, bytes);
  };
  world.inject(b, text(method, extra, o));
  return answers.join('\n');
}

const text = (
  method: string,
  extra: string[] = [],
  o: { uri?: string; body?: string; branch?: string } = {},
): string =>
  [
    `${method} ${o.uri ?? 'sip:1000@10.0.0.2'} SIP/2.0`,
    `Via: SIP/2.0/UDP pc;rport;branch=${o.branch ?? 'z9hG4bKs'}`,
    'From: <sip:x@192.0.2.66>;tag=1',
    'To: <sip:1000@10.0.0.2>',
    'Call-ID: stranger',
    `CSeq: 1 ${method}`,
    'Contact: <sip:x@192.0.2.66>',
    ...extra,
    `Content-Length: ${o.body?.length ?? 0}`,
    '',
    o.body ?? '',
  ].join('\r\n');

test('OPTIONS: 200 with Allow, Accept, Supported, over the way it came', () => {
  const answer = ask('OPTIONS');
  expect(answer).toMatch(/^SIP\/2\.0 200 OK\r\n/);
  expect(answer).toContain('Via: SIP/2.0/UDP pc;branch=z9hG4bKs;received=192.0.2.66;rport=5060\r\n');
  expect(answer).toContain(
    'Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY\r\n',
  );
  expect(answer).toContain('Accept: application/sdp\r\n');
  expect(answer).toContain('Supported: 100rel, timer, replaces\r\n');
  expect(answer).toMatch(/To: <sip:1000@10\.0\.0\.2>;tag=[0-9a-f]{16}\r\n/);
});

test.each([
  ['a method we lack', 'SUBSCRIBE', [], {}, '405 Method Not Allowed', 'Allow: INVITE'],
  ['a method nobody knows', 'DANCE', [], {}, '501 Not Implemented', ''],
  ['a scheme that is not ours', 'OPTIONS', [], { uri: 'tel:+123' }, '416 Unsupported URI Scheme', ''],
  [
    'an extension demanded',
    'INVITE',
    ['Require: 100rel, foo, timer, bar'],
    {},
    '420 Bad Extension',
    'Unsupported: foo, bar',
  ],
  [
    'a body we cannot read',
    'INVITE',
    ['Content-Type: text/x'],
    { body: 'x' },
    '415 Unsupported Media Type',
    'Accept: application/sdp',
  ],
  [
    'a body packed',
    'INVITE',
    ['Content-Type: application/sdp', 'Content-Encoding: gzip'],
    { body: 'x' },
    '415 Unsupported Media Type',
    'Accept-Encoding: identity',
  ],
  [
    'a phone that wants to register here',
    'REGISTER',
    [],
    {},
    '403 Forbidden',
    'Warning: 399 roombridge "Phones register at their PBX; this is a conference bridge."',
  ],
  ['a text message', 'MESSAGE', [], {}, '405 Method Not Allowed', 'Allow: INVITE'],
  [
    'a text message of no call',
    'MESSAGE',
    ['Content-Type: text/plain'],
    { body: 'x', config: { messages: true } },
    '405 Method Not Allowed',
    'Warning: 399 roombridge "Texts are taken within a call only: call the room,',
  ],
  ['a publication', 'PUBLISH', [], {}, '405 Method Not Allowed', 'Allow: INVITE'],
  ['a NOTIFY of nothing', 'NOTIFY', ['Event: refer'], {}, '481 Call/Transaction Does Not Exist', ''],
  ['a PRACK of nothing', 'PRACK', ['RAck: 1 1 INVITE'], {}, '481 Call/Transaction Does Not Exist', ''],
  ['an UPDATE of nothing', 'UPDATE', [], {}, '481 Call/Transaction Does Not Exist', ''],
  [
    'a session too short',
    'INVITE',
    ['Supported: timer', 'Session-Expires: 30'],
    {},
    '422 Session Interval',
    'Min-SE: 90',
  ],
  ['a BYE of nothing', 'BYE', [], {}, '481 Call/Transaction Does Not Exist', ''],
  ['an INFO of nothing', 'INFO', [], {}, '481 Call/Transaction Does Not Exist', ''],
  ['a wrong version', 'OPTIONS', [], { uri: 'sip:h SIP/3.0\r\nX: ' }, '505', ''],
  [
    'one call too many',
    'INVITE',
    [],
    { config: { maxCalls: 0 } },
    '503 Service Unavailable',
    'Retry-After: 5',
  ],
] as const)('%s', (_, method, extra, o, status, header) => {
  const answer = ask(method, [...extra], o)
    .split('\n')
    .slice(method === 'INVITE' && status.startsWith('4') ? 0 : 0)
    .join('\n');
  expect(answer).toContain(`SIP/2.0 ${status}`);
  expect(answer).toContain(header);
});

test('an optional body of unknown kind is passed over', () => {
  const answer = ask('INVITE', ['Content-Type: text/x', 'Content-Disposition: session;handling=optional'], {
    body: 'x',
  });
  expect(answer).toContain('SIP/2.0 100 Trying');
  expect(answer).not.toContain('415');
});

test('an INVITE without Contact: 400', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2');
  world.inject(b, text('INVITE').replace(/Contact.*\r\n/, ''));
  expect(b.sent.at(-1)).toBe('SIP/2.0 400 Missing or unusable Contact');
});

test('merged requests: 482 for the copy that came another way', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2');
  world.inject(b, text('INVITE'));
  world.inject(b, text('INVITE', [], { branch: 'z9hG4bKother' }));
  expect(b.sent).toEqual(['SIP/2.0 100 Trying', 'SIP/2.0 100 Trying', 'SIP/2.0 482 Loop Detected']);
  expect(b.all('invite')).toHaveLength(1);
});

test('a request of ours that comes back: 482, whether by a proxy or straight', () => {
  for (const proxy of ['', 'Via: SIP/2.0/UDP proxy;branch=z9hG4bKp\r\n']) {
    const world = new SipWorld({ seed: 3 });
    const b = world.peer('10.0.0.2');
    b.feed({ type: 'dial', call: 'c', options: { to: 'sip:1000@10.0.0.9', user: 'room', sdp: 'x' } });
    world.inject(b, b.texts[0]?.replace('Via: ', `${proxy}Via: `) as string, '10.0.0.9');
    expect(b.sent.at(-1)).toBe('SIP/2.0 482 Loop Detected');
    expect(b.all('invite')).toHaveLength(0);
  }
});

test('Max-Forwards 0 is no concern of the one who is called (RFC 3261 §8.2); over 255 or no number is 400', () => {
  expect(ask('INVITE', ['Max-Forwards: 0'])).toContain('SIP/2.0 100');
  expect(ask('OPTIONS', ['Max-Forwards: 0'])).toContain('SIP/2.0 200');
  expect(ask('OPTIONS', ['Max-Forwards: 256'])).toContain('SIP/2.0 400 Bad Max-Forwards');
});

test('a source that asks too much: 503, and others are served', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2', { newRequestsPerSecond: 1, newRequestsBurst: 2 });
  for (let i = 0; i < 3; i++)
    world.inject(b, text('OPTIONS', [], { branch: `z9hG4bK${i}` }).replace('stranger', `s${i}`));
  world.inject(b, text('OPTIONS', [], { branch: 'z9hG4bKo' }).replace('stranger', 'o'), '192.0.2.7');
  expect(b.sent.map(l => l.slice(8, 11))).toEqual(['200', '200', '503', '200']);
});

test('a drain: 503 with its Retry-After', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2');
  b.feed({ type: 'drain', retryAfterS: 10 });
  world.inject(b, text('INVITE'));
  expect(b.sent).toEqual(['SIP/2.0 503 Service Unavailable']);
});

test('a stranger cannot end a call it only half knows', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2');
  b.on = (e, peer) => {
    if (e.type === 'invite') peer.feed({ type: 'progress', call: e.call, status: 180 });
  };
  world.inject(b, text('INVITE'));
  world.inject(
    b,
    text('BYE', [], { branch: 'z9hG4bKbye' }).replace(
      '<sip:1000@10.0.0.2>\r\nCall',
      '<sip:1000@10.0.0.2>;tag=guess\r\nCall',
    ),
  );
  expect(b.sent.at(-1)).toBe('SIP/2.0 481 Call/Transaction Does Not Exist');
  expect(b.all('cancelled')).toHaveLength(0);
});

test('a stream that stops in mid-message is hung up after 32 s; keep-alives are answered', () => {
  const world = new SipWorld({ seed: 3 });
  const b = world.peer('10.0.0.2');
  const flow = { id: 'tcp:192.0.2.9:1', transport: 'tcp', host: '192.0.2.9', port: 1 } as const;
  b.feed({ type: 'chunk', flow, bytes: Buffer.from('\r\n\r\n') });
  expect(b.sent).toEqual(['']);
  b.feed({ type: 'chunk', flow, bytes: Buffer.from('OPTIONS sip:h SIP/2.0\r\nVia') });
  world.run();
  expect(world.now).toBe(32_000);
  expect(b.others.at(-1)).toMatchObject({ type: 'close-flow', reason: 'message not finished in time' });
  b.feed({ type: 'flow-closed', flow });
  expect(b.endpoint.load.timers).toBe(0);
});
