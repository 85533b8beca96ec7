import { describe, expect, test } from 'vitest';
import { parseNameAddr, parseVia } from './address.ts';
import { split } from './grammar.ts';
import { contactOf, headerText, sdpOf } from './message.ts';
import { MAX_HEADERS, parseMessage } from './parse.ts';
import { SipSplitter } from './stream.ts';
import { tortures } from './torture.testing.ts';
import { escapeUser, parseUri, userOf } from './uri.ts';
import { markVia, writeRequest, writeResponse } from './write.ts';

const verdictOf = (bytes: Buffer): string => {
  const p = parseMessage(bytes);
  return p.ok ? 'read' : p.status === 0 ? 'drop' : String(p.status);
};

describe('torture', () => {
  test.each(tortures())('$name: $parsed', ({ parsed, bytes }) => {
    const p = parseMessage(bytes);
    expect(p.ok ? 'read' : p.status === 0 ? 'drop' : String(p.status), p.ok ? '' : p.reason).toBe(parsed);
    // What is refused can be answered.
    if (!p.ok && p.answer !== undefined) {
      const answer = writeResponse(p.answer, p.status, { topVia: p.answer.via.raw, toTag: 't' });
      expect(answer.toString('latin1')).toMatch(/^SIP\/2\.0 [45]\d\d /);
    }
  });

  test('cut anywhere: no throw, no false reading', () => {
    for (const { bytes } of tortures())
      for (let n = 0; n < bytes.length; n++) expect(() => verdictOf(bytes.subarray(0, n))).not.toThrow();
  });

  test('the tortuous one is read right', () => {
    const p = parseMessage(tortures().find(f => f.name.startsWith('tortuous'))?.bytes as Buffer);
    if (!p.ok || p.message.kind !== 'request') throw new Error('not read');
    const m = p.message;
    expect(m.from.display).toBe('Ines \\"');
    expect(m.from.params.get('tag')).toBe('5ef1');
    expect(m.to.params.get('extra')).toBe('x7');
    expect(m.cseq).toBe(7);
    expect(m.via).toMatchObject({ transport: 'TCP', host: 'desk.example' });
    expect(m.headers.list('via')).toHaveLength(2);
    expect(m.headers.get('subject')).toBe('');
    expect(m.headers.get('somethingnew')).toBe('a value that goes on a value');
    expect(contactOf(m)?.params.get('rank')).toBe('first');
    expect(sdpOf(m)?.trim()).toBe('v=0');
  });

  test('a session description inside a multipart body is found', () => {
    const p = parseMessage(tortures().find(f => f.name.startsWith('several bodies'))?.bytes as Buffer);
    expect(p.ok && sdpOf(p.message)).toBe('v=0\r\n');
  });

  test('too many headers', () => {
    const bomb = `OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:h>\r\nCall-ID: b\r\nCSeq: 1 OPTIONS\r\n${'X: y\r\n'.repeat(MAX_HEADERS)}\r\n`;
    expect(verdictOf(Buffer.from(bomb))).toBe('400');
  });
});

describe('URIs and addresses', () => {
  test.each([
    ['sip:1000@host', { user: '1000', host: 'host', port: undefined }],
    ['sips:a;b?c@HOST:5061;lr', { user: 'a;b?c', host: 'host', port: 5061 }],
    ['sip:[::1]:5062;transport=tcp', { user: undefined, host: '[::1]', port: 5062 }],
    ['sip:bob:secret@h', { user: 'bob', host: 'h' }],
    ['sip:*98#@h', { user: '*98#', host: 'h' }],
  ])('%s', (raw, expected) => expect(parseUri(raw)).toMatchObject(expected));

  test.each(['', 'sip:', 'sip:@h', 'sip:a@b@c', 'sip:a b@h', 'sip:h:x', '1sip:h', 'sip:h;=x', 'nothing'])(
    'not a URI: %s',
    raw => expect(parseUri(raw)).toBeUndefined(),
  );

  test('user parts are text', () => {
    expect(userOf(parseUri('sip:r%C3%A9union@h') as never)).toBe('réunion');
    expect(userOf(parseUri(`sip:${escapeUser('会议 #1@x')}@h`) as never)).toBe('会议 #1@x');
  });

  test.each([
    '<sip:a@h',
    '"x" y <sip:a@h>',
    '"a <sip:a@h>',
    '<sip:a@h>x',
    'a, b <sip:a@h>',
    'sip:a@h,sip:b@h',
  ])('not an address: %s', raw => expect(parseNameAddr(raw)).toBeUndefined());

  test('lists split outside quotes and brackets', () => {
    expect(split('"a,b" <sip:x@h?c=d,e>;q=1, <sip:y@h>', ',')).toEqual([
      '"a,b" <sip:x@h?c=d,e>;q=1',
      '<sip:y@h>',
    ]);
    expect(split('"open, x', ',')).toBeUndefined();
  });
});

describe('Via', () => {
  const mark = (raw: string, host: string, port: number): string =>
    markVia(parseVia(raw) as never, host, port);
  test('RFC 3581: rport is filled, received added even when equal', () => {
    expect(mark('SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx', '10.0.0.1', 6000)).toBe(
      'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;received=10.0.0.1;rport=6000',
    );
  });
  test('RFC 3261 §18.2.1: received where the host differs; a forged one is replaced', () => {
    expect(mark('SIP/2.0/UDP pc;branch=z9hG4bKx', '192.0.2.4', 5060)).toBe(
      'SIP/2.0/UDP pc;branch=z9hG4bKx;received=192.0.2.4',
    );
    expect(mark('SIP/2.0/UDP pc;received=1.2.3.4;branch=z9hG4bKx', '192.0.2.4', 5060)).toBe(
      'SIP/2.0/UDP pc;branch=z9hG4bKx;received=192.0.2.4',
    );
  });
  test('nothing to add', () =>
    expect(mark('SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx', '10.0.0.1', 5060)).toBe(
      'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx',
    ));
});

test('what is written is read back, and a value cannot begin a header', () => {
  const bytes = writeRequest({
    method: 'INFO',
    uri: 'sip:a@h',
    via: 'SIP/2.0/UDP h;branch=z9hG4bK1',
    from: '<sip:b@h>;tag=1',
    to: '<sip:a@h>',
    callId: 'c',
    cseq: 2,
    routes: ['<sip:p;lr>'],
    headers: [['Reason', 'SIP;text="会\r\nInjected: yes"']],
    body: { type: 'text/plain', content: 'é' },
  });
  const p = parseMessage(bytes);
  if (!p.ok) throw new Error(p.reason);
  expect(headerText(p.message, 'reason')).toBe('SIP;text="会 Injected: yes"');
  expect(p.message.headers.get('injected')).toBeUndefined();
  expect(p.message.body.toString()).toBe('é');
  expect(p.message.headers.get('content-length')).toBe('2');
});

describe('streams', () => {
  const one = 'OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 5\r\n\r\nhello';
  const two = 'OPTIONS sip:i SIP/2.0\r\nl : 0\r\n\r\n';
  const whole = Buffer.from(`\r\n${one}\r\n\r\n\r\n${two}`);
  const takeAll = (s: SipSplitter): string[] => {
    const all: string[] = [];
    for (let m = s.take(); m !== undefined; m = s.take()) all.push(m.toString());
    return all;
  };

  test('whole, byte by byte, cut at every place', () => {
    const expected = [one, 'ping', two];
    const atOnce = new SipSplitter();
    atOnce.push(whole);
    expect(takeAll(atOnce)).toEqual(expected);
    const single = new SipSplitter();
    const got: string[] = [];
    for (const b of whole) {
      single.push(Buffer.from([b]));
      got.push(...takeAll(single));
    }
    expect(got).toEqual(expected);
    for (let n = 1; n < whole.length; n++) {
      const s = new SipSplitter();
      s.push(whole.subarray(0, n));
      const parts = takeAll(s);
      s.push(whole.subarray(n));
      expect([...parts, ...takeAll(s)]).toEqual(expected);
      expect(s.partial).toBe(false);
    }
  });

  test.each([
    ['no length', 'OPTIONS sip:h SIP/2.0\r\nVia: x\r\n\r\n', 'no Content-Length on a stream'],
    ['absurd length', 'OPTIONS sip:h SIP/2.0\r\nContent-Length: 99999999\r\n\r\n', 'body too large'],
    ['no end of headers', 'A'.repeat(70_000), 'header too large'],
  ])('%s ends it', (_, text, error) => {
    const s = new SipSplitter();
    s.push(Buffer.from(text));
    expect(s.take()).toBeUndefined();
    expect(s.error).toBe(error);
  });
});
