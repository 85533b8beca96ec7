import { describe, expect, test } from 'vitest';
import { header, idle, lastSent, pair, talking } from '../../../test/harness/sip-pair.ts';
import { Headers } from './message.ts';
import { plainText } from './text-body.ts';

const BOTH = { a: { messages: true }, b: { messages: true } };

/** Two that talk, and a MESSAGE of `a` in their call with any body. */
function writing(config = BOTH) {
  const w = pair({}, config);
  const call = talking(w);
  let cseq = 100;
  const write = (body: string | Buffer, type = 'text/plain'): void => {
    const ack = lastSent(w.a, 'ACK');
    const head = ack
      .slice(0, ack.indexOf('\r\n\r\n'))
      .replace(/^ACK/, 'MESSAGE')
      .replace(/CSeq: .*/, `CSeq: ${++cseq} MESSAGE`)
      .replace(/branch=[^;\r]+/, `branch=z9hG4bKw${cseq}`)
      .replace(/Content-Length: .*/, `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}`);
    w.world.inject(
      w.b,
      Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]).toString('latin1'),
      '10.0.0.1',
    );
  };
  return { ...w, call, write };
}

test('a text and its answer, each way', () => {
  const { world, a, b, call } = writing();
  a.feed({ type: 'message', call: 'c1', content: 'grüß dich' });
  world.run(100);
  const { id, text } = b.one('message');
  expect(text).toBe('grüß dich');
  expect(header(lastSent(a, 'MESSAGE'), 'Content-Type')).toBe('text/plain;charset=utf-8');
  expect(a.all('messaged')).toEqual([]);
  b.feed({ type: 'answer-message', call, id, status: 200 });
  world.run(100);
  expect(a.one('messaged').status).toBe(200);
  b.feed({ type: 'message', call, content: 'x' });
  world.run(100);
  a.feed({
    type: 'answer-message',
    call: 'c1',
    id: a.one('message').id,
    status: 413,
    headers: [['Warning', '399 x "long"']],
  });
  world.run(100);
  expect(b.one('messaged').status).toBe(413);
  expect(header(lastSent(a, 'SIP/2.0 413'), 'Warning')).toBe('399 x "long"');
  a.feed({ type: 'hangup', call: 'c1' });
  world.run();
  idle(a, b);
});

test('Allow tells it, where it is taken', () => {
  const { a, b } = writing({ a: { messages: true }, b: { messages: false } });
  expect(header(lastSent(a, 'INVITE'), 'Allow')).toContain('MESSAGE');
  expect(header(lastSent(b, 'SIP/2.0 200'), 'Allow')).not.toContain('MESSAGE');
});

test.each([
  ['405: it is not taken', { a: { messages: true }, b: { messages: false } }, 405],
  ['no word of the application: 504', BOTH, 504],
])('%s, and the call goes on', (_, config, status) => {
  const { world, a, b } = writing(config);
  a.feed({ type: 'message', call: 'c1', content: 'x' });
  world.run(25_000);
  expect(a.one('messaged').status).toBe(status);
  expect([...a.all('ended'), ...b.all('ended')]).toEqual([]);
});

test('neither silence nor 481 ends the call', () => {
  const { world, a, b } = writing();
  world.drop = text => text.startsWith('MESSAGE');
  a.feed({ type: 'message', call: 'c1', content: 'x' });
  world.run(33_000);
  expect(a.one('messaged').status).toBe(408);
  world.drop = () => false;
  a.feed({ type: 'message', call: 'c1', content: 'x' });
  world.run(100);
  b.feed({ type: 'answer-message', call: b.one('invite').call, id: b.one('message').id, status: 481 });
  world.run(100);
  expect(a.all('messaged').map(m => m.status)).toEqual([408, 481]);
  expect([...a.all('ended'), ...b.all('ended')]).toEqual([]);
});

test('the end of the call answers what waits, and tells no more of its own', () => {
  const { world, a, b } = writing();
  a.feed({ type: 'message', call: 'c1', content: 'x' });
  world.run(100);
  b.one('message');
  a.feed({ type: 'hangup', call: 'c1' });
  world.run();
  expect(b.sent).toContain('SIP/2.0 487 Request Terminated');
  expect(a.all('messaged')).toEqual([]);
  idle(a, b);
});

test('more than 16 that wait: 500', () => {
  const { b, write } = writing();
  for (let i = 0; i < 17; i++) write('x');
  expect(b.all('message')).toHaveLength(16);
  expect(b.sent.at(-1)).toBe('SIP/2.0 500 Too Many Texts At Once');
});

describe('bodies', () => {
  test('empty: 200 and nothing', () => {
    const { b, write } = writing();
    write('');
    expect(b.sent.at(-1)).toBe('SIP/2.0 200 OK');
    expect(b.all('message')).toEqual([]);
  });

  test('nothing to be shown: 415 says what can be', () => {
    const { b, write } = writing();
    write('<isComposing/>', 'application/im-iscomposing+xml');
    expect(header(lastSent(b, 'SIP/2.0 415'), 'Accept')).toBe(
      'text/plain, message/cpim, multipart/mixed, multipart/alternative',
    );
    expect(b.all('message')).toEqual([]);
  });

  const read = (type: string, body: string | Buffer): string | undefined => {
    const headers = new Headers();
    headers.add('content-type', type);
    return plainText({ headers, body: Buffer.from(body) });
  };
  const CPIM = 'From: <im:a@h>\r\nTo: <im:b@h>\r\n\r\n';

  test.each([
    ['text/plain', 'hello', 'hello'],
    ['text/plain;charset=UTF-8', 'grüß', 'grüß'],
    ['text/plain; charset="iso-8859-1"', Buffer.from('grüß', 'latin1'), 'grüß'],
    ['text/plain;charset=utf-7', 'x', undefined],
    ['text/html', '<b>x</b>', undefined],
    [
      'multipart/alternative;boundary=b',
      '--b\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--',
      'x',
    ],
    ['multipart/mixed;boundary=b', '--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--', undefined],
    ['multipart/mixed;boundary=b', '--b\r\nnever closed', undefined],
    ['message/cpim', `${CPIM}Content-Type: text/plain; charset=utf-8\r\n\r\ngrüß`, 'grüß'],
    ['message/cpim', `${CPIM}Content-Type: text/html\r\n\r\nx`, undefined],
    ['message/cpim', CPIM, undefined],
  ])('%s', (type, body, text) => expect(read(type, body)).toBe(text));
});
