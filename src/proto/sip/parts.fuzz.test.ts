import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNameAddr, parseVia } from './address.ts';
import { answerChallenge, DigestServer, parseDigest } from './digest.ts';
import { bytesOf, parseNumber, parseParams, quote, split, textOf, unquote } from './grammar.ts';
import type { SipMessage } from './message.ts';
import { parseMessage } from './parse.ts';
import { escapeUser, parseHostPort, parseUri, unescapeUri, userOf } from './uri.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
/** Header text as the parser hands it on: one character a byte. */
const byte = fc.nat(255).map(n => String.fromCharCode(n));
const piece = fc.oneof(
  fc.constantFrom(
    'sip:',
    'sips:',
    'tel:',
    '<',
    '>',
    '"',
    '\\',
    ';',
    ',',
    '=',
    '@',
    ':',
    '[',
    ']',
    '?',
    '&',
    '%',
    '%4',
  ),
  fc.constantFrom(
    'SIP/2.0/UDP ',
    'branch=z9hG4bK1',
    'alice',
    '192.0.2.1',
    '[2001:db8::1]',
    '5060',
    '65536',
    'Digest ',
  ),
  fc.constantFrom(
    'username="a"',
    'realm="r"',
    'nonce="n"',
    'response="0"',
    'qop=auth',
    'algorithm=MD5',
    'nc=00000001',
  ),
  fc.string({ unit: byte, maxLength: 6 }),
);
const value = fc.array(piece, { maxLength: 12 }).map(parts => parts.join(''));

test('values of headers: any text is read or refused', () => {
  fc.assert(
    fc.property(value, text => {
      parseNameAddr(text);
      parseVia(text);
      parseHostPort(text);
      parseParams(text);
      parseNumber(text, 1000);
      split(text, ',');
      unquote(text);
      unescapeUri(text);
      const uri = parseUri(text);
      if (uri !== undefined) userOf(uri);
    }),
    { numRuns },
  );
});

/** A message with this header, as the parser gives it; undefined when it is refused there. */
function message(first: string, header: string): SipMessage | undefined {
  const text = [
    first,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@b>;tag=1',
    'To: <sip:1000@b>',
    'Call-ID: 1',
    'CSeq: 1 INVITE',
    'Max-Forwards: 70',
    header,
    '',
    '',
  ];
  const read = parseMessage(Buffer.from(text.join('\r\n'), 'latin1'));
  return read.ok ? read.message : undefined;
}

test('Digest: any credentials fit no password, and any challenge is answered or left', () => {
  const server = new DigestServer('r', randomBytes(32));
  const [good] = server.challenge(0);
  const nonce = /nonce="([^"]+)"/.exec(good?.[1] ?? '')?.[1] as string;
  const field = fc.tuple(
    fc.constantFrom(
      'username',
      'realm',
      'nonce',
      'uri',
      'response',
      'qop',
      'algorithm',
      'nc',
      'cnonce',
      'stale',
    ),
    fc.oneof(
      fc.constantFrom('r', nonce, 'sip:1000@b', 'auth', '00000001', 'SHA-256', 'MD5', '0'.repeat(64)),
      fc.string({ unit: byte, maxLength: 6 }).filter(s => !/[\r\n\0"\\]/.test(s)),
    ),
  );
  const fields = fc.array(field, { maxLength: 12 }).map(all => all.map(([k, v]) => `${k}="${v}"`).join(', '));
  const digest = fc
    .oneof(
      fields,
      value.map(v => v.replace(/[\r\n\0]/g, ' ')),
    )
    .map(v => `Digest realm="r", ${v}`);
  fc.assert(
    fc.property(digest, text => {
      parseDigest(text);
      const request = message('INVITE sip:1000@b SIP/2.0', `Authorization: ${text}`);
      if (request?.kind === 'request')
        expect(server.verify(request, 0, () => ['secret'])).toMatchObject({ ok: false });
      const response = message('SIP/2.0 401 Unauthorized', `WWW-Authenticate: ${text}`);
      const who = { username: 'a', password: 'b' };
      if (response?.kind === 'response') answerChallenge(response, 'INVITE', 'sip:1000@b', who, 'c');
    }),
    { numRuns },
  );
});

test('any name survives quotes, UTF-8 and the user part of a URI', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), name => {
      expect(textOf(unquote(quote(name)))).toBe(name);
      expect(textOf(bytesOf(name))).toBe(name);
      fc.pre(name !== '');
      const uri = parseUri(`sip:${escapeUser(name)}@192.0.2.1`);
      expect(uri && userOf(uri)).toBe(name);
    }),
    { numRuns },
  );
});
