import { expect, test } from 'vitest';
import { header, idle, lastSent, message, pair, talking } from '../../../test/harness/sip-pair.ts';
import { flowTo } from './flow.ts';
import type { SipConfig, WriterOf } from './stack.ts';
import { parseUri } from './uri.ts';
import { addressOf, type Candidate, isSamePath } from './writers.ts';

/** `a` (10.0.0.1, alice) talks to 1000 at `b`, which believes of a text whose path is that of one call. */
function writing(config: Partial<SipConfig> = {}) {
  const asked: (readonly Candidate[])[] = [];
  const writer: WriterOf = (_, _flow, candidates) => {
    asked.push(candidates);
    const [only, ...more] = candidates.filter(c => c.sameFlow);
    return only === undefined || more.length > 0 ? { status: 403, reason: 'Stranger' } : only.call;
  };
  const w = pair({}, { b: { messages: true, writer, ...config } });
  let n = 0;
  /** A text outside of any call. */
  const write = (
    o: { from?: string; uri?: string; host?: string; port?: number; body?: string; type?: string } = {},
  ): string => {
    const { from = 'sip:alice@10.0.0.1', uri = 'sip:1000@10.0.0.2', host = '10.0.0.1', port } = o;
    const { body = 'hello', type = 'text/plain' } = o;
    const lines = {
      Via: `SIP/2.0/UDP ${host}:${port ?? 5060};branch=z9hG4bKout${++n}`,
      From: `<${from}>;tag=t${n}`,
      To: `<${uri}>`,
      'Call-ID': `text-${n}`,
      Contact: undefined,
      'Content-Type': type,
    };
    w.world.inject(w.b, message(`MESSAGE ${uri} SIP/2.0`, lines, body), host, port);
    return w.b.sent.at(-1) as string;
  };
  return { ...w, asked, write };
}

test('a text outside of the call is one of the call, if the writer is known', () => {
  const w = writing();
  const call = talking(w);
  w.write();
  expect(w.asked).toEqual([[{ call, sameFlow: true }]]);
  const { id, text, call: of } = w.b.one('message');
  expect([of, text]).toEqual([call, 'hello']);
  w.b.feed({ type: 'answer-message', call, id, status: 200 });
  expect(header(lastSent(w.b, 'SIP/2.0 200'), 'Call-ID')).toBe('text-1');
  const received = w.b.others.filter(o => o.type === 'received' && o.bytes.toString().startsWith('MESSAGE'));
  expect(received).toHaveLength(1);
  w.a.feed({ type: 'hangup', call: 'c1' });
  w.world.run();
  expect(w.write()).toBe('SIP/2.0 403 Stranger');
  expect(w.asked.at(-1)).toEqual([]);
  w.world.run();
  idle(w.a, w.b);
});

test('whom we called writes to the name we called under', () => {
  const w = writing();
  w.a.on = e => {
    if (e.type === 'invite') w.a.feed({ type: 'answer', call: e.call, sdp: 'v=0\r\n' });
  };
  const to = 'sip:alice@10.0.0.1';
  const options = { to, user: 'room 7', from: 'sip:+4930@10.0.0.2', sdp: 'v=0\r\n' };
  w.b.feed({ type: 'dial', call: 'o1', options });
  w.world.run(1000);
  for (const user of ['room%207', '+4930', '%2b4930']) {
    w.write({ uri: `sip:${user}@10.0.0.2` });
    expect(w.asked.at(-1), user).toEqual([{ call: 'o1', sameFlow: true }]);
  }
  w.write({ uri: 'sip:1000@10.0.0.2' });
  expect(w.asked.at(-1)).toEqual([]);
});

test.each([
  ['from another address', { host: '10.0.0.9' }, [false]],
  ['from another port', { port: 5062 }, [false]],
  ['in another name', { from: 'sip:bob@10.0.0.1' }, []],
  ['in the name of another domain', { from: 'sip:alice@10.0.0.9' }, []],
  ['without a name', { from: 'sip:10.0.0.1' }, []],
  ['to another room', { uri: 'sip:1001@10.0.0.2' }, []],
  ['to no room', { uri: 'sip:10.0.0.2' }, []],
  ['to the room, with a parameter', { uri: 'sip:1000@10.0.0.2;transport=udp' }, [true]],
  ['in the same name, escaped', { from: 'sip:%61lice@10.0.0.1;x=y' }, [true]],
])('%s: what the application is told', (_, o, paths) => {
  const w = writing();
  talking(w);
  const answer = w.write(o);
  expect(w.asked.at(-1)?.map(c => c.sameFlow)).toEqual(paths);
  if (paths[0] !== true) expect(answer).toBe('SIP/2.0 403 Stranger');
  expect(w.b.all('message')).toHaveLength(paths[0] === true ? 1 : 0);
});

test.each([
  ['on the connection of the call', 5060, 1],
  ['on another connection of the same host', 5061, 0],
])('%s', (_, port, texts) => {
  const w = writing();
  talking(w, { to: 'sip:1000@10.0.0.2;transport=tcp' });
  const lines = {
    Via: 'SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKout',
    From: '<sip:alice@10.0.0.1>;tag=t',
    'Content-Type': 'text/plain',
  };
  const bytes = Buffer.from(message('MESSAGE sip:1000@10.0.0.2 SIP/2.0', lines, 'hello'));
  w.b.feed({ type: 'chunk', flow: flowTo('tcp', '10.0.0.1', port), bytes });
  expect(w.asked.at(-1)?.map(c => c.sameFlow)).toEqual([texts === 1]);
  expect(w.b.all('message')).toHaveLength(texts);
});

test('before the answer nobody writes; what cannot be read is refused before anybody is asked', () => {
  const w = writing();
  w.dial();
  w.world.run(100);
  expect(w.write()).toBe('SIP/2.0 403 No texts before the answer');
  w.asked.length = 0;
  expect(w.write({ type: 'text/html' })).toBe('SIP/2.0 415 Unsupported Media Type');
  expect(w.asked).toEqual([]);
});

test('a call that the application makes up is 481; while draining calls go on writing', () => {
  const w = writing();
  talking(w);
  w.b.feed({ type: 'drain', retryAfterS: 5 });
  w.write();
  expect(w.b.all('message')).toHaveLength(1);
  const made = writing({ writer: () => 'no such call' });
  expect(made.write()).toMatch(/^SIP\/2.0 481/);
});

test('a text sent again is the same text', () => {
  const w = writing();
  const call = talking(w);
  w.write();
  w.b.feed({ type: 'answer-message', call, id: w.b.one('message').id, status: 200 });
  const before = w.b.sent.length;
  const lines = { Via: 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKout1', From: '<sip:alice@10.0.0.1>;tag=t1' };
  const again = message(
    'MESSAGE sip:1000@10.0.0.2 SIP/2.0',
    { ...lines, 'Call-ID': 'text-1', 'Content-Type': 'text/plain' },
    'hello',
  );
  w.world.inject(w.b, again, '10.0.0.1');
  expect(w.b.sent.slice(before)).toEqual(['SIP/2.0 200 OK']);
  expect(w.b.all('message')).toHaveLength(1);
});

test.each([
  ['sip:anonymous@anonymous.invalid', undefined],
  ['sip:Anonymous@pbx.example', undefined],
  ['sip:a@anonymous.invalid', undefined],
  ['tel:+4930', undefined],
  ['sip:Bob@PBX.example;user=phone', 'Bob@pbx.example'],
  ['sips:bob:secret@pbx.example:5061', 'bob@pbx.example:5061'],
])('%s is named %s', (uri, name) => {
  expect(addressOf(parseUri(uri) as NonNullable<ReturnType<typeof parseUri>>)).toBe(name);
});

test('the same path: one connection, or one UDP address', () => {
  const udp = flowTo('udp', '10.0.0.1', 5060);
  expect(isSamePath(udp, flowTo('udp', '10.0.0.1', 5060, { listener: 1 }))).toBe(true);
  expect(isSamePath(udp, flowTo('udp', '10.0.0.1', 5061))).toBe(false);
  expect(isSamePath(udp, flowTo('tcp', '10.0.0.1', 5060))).toBe(false);
  const tls = flowTo('tls', '10.0.0.1', 40_000);
  expect(isSamePath(tls, flowTo('tls', '10.0.0.1', 40_000))).toBe(true);
  expect(isSamePath(tls, flowTo('tls', '10.0.0.1', 40_000, { listener: 2 }))).toBe(false);
});
