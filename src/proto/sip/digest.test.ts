import { describe, expect, test } from 'vitest';
import { answerChallenge, DigestServer, parseDigest } from './digest.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseMessage } from './parse.ts';
import type { HeaderLine } from './write.ts';

const KEY = Buffer.alloc(32, 7);
const MINUTE = 60_000;
const who = { username: '99:1000:bob', password: 'secret' };
const passwords = (name: string): string[] | undefined =>
  name === who.username ? ['older', 'secret'] : undefined;

const common =
  'Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n';
const lines = (headers: readonly HeaderLine[]): string => headers.map(([n, v]) => `${n}: ${v}\r\n`).join('');

function challenge(headers: readonly HeaderLine[], status = 401): SipResponse {
  const p = parseMessage(Buffer.from(`SIP/2.0 ${status} X\r\n${common}${lines(headers)}\r\n`));
  if (!p.ok || p.message.kind !== 'response') throw new Error('fixture');
  return p.message;
}
function invite(headers: readonly HeaderLine[], uri = 'sip:1000@h'): SipRequest {
  const p = parseMessage(Buffer.from(`INVITE ${uri} SIP/2.0\r\n${common}${lines(headers)}\r\n`));
  if (!p.ok || p.message.kind !== 'request') throw new Error('fixture');
  return p.message;
}

describe.each(['SHA-256', 'MD5'])('%s', algorithm => {
  const server = new DigestServer('roombridge', KEY);
  const offered = (now: number): HeaderLine[] =>
    server.challenge(now).filter(([, v]) => v.includes(algorithm));
  const answer = (now: number, password = who.password): HeaderLine =>
    answerChallenge(challenge(offered(now)), 'INVITE', 'sip:1000@h', { ...who, password }, 'c0ffee')
      ?.header as HeaderLine;

  test('the right password', () => {
    expect(server.verify(invite([answer(0)]), 1000, passwords)).toEqual({ ok: true, username: who.username });
  });
  test('a wrong one', () => {
    expect(server.verify(invite([answer(0, 'guess')]), 1000, passwords)).toEqual({ ok: false, why: 'wrong' });
  });
  test('right, but the nonce is old: stale', () => {
    expect(server.verify(invite([answer(0)]), MINUTE + 1, passwords)).toEqual({ ok: false, why: 'stale' });
  });
  test('the same answer again: stale, so that what was overheard is worth nothing', () => {
    const once = invite([answer(7)]);
    expect(server.verify(once, 1000, passwords)).toMatchObject({ ok: true });
    expect(server.verify(once, 1001, passwords)).toEqual({ ok: false, why: 'stale' });
  });
  test('the same nonce with a higher count', () => {
    const once = challenge(offered(8));
    for (const count of [1, 2, 5]) {
      const header = answerChallenge(once, 'INVITE', 'sip:1000@h', who, 'c0ffee', count)
        ?.header as HeaderLine;
      expect(server.verify(invite([header]), 1000, passwords)).toMatchObject({ ok: true });
    }
  });
  test('two challenges of the same moment are two', () => {
    expect(server.verify(invite([answer(9)]), 1000, passwords)).toMatchObject({ ok: true });
    expect(server.verify(invite([answer(9)]), 1000, passwords)).toMatchObject({ ok: true });
  });
  test('for another room', () => {
    expect(server.verify(invite([answer(0)], 'sip:2000@h'), 1000, passwords)).toMatchObject({ why: 'wrong' });
  });
  test('a nonce we never gave', () => {
    const other = new DigestServer('roombridge', Buffer.alloc(32, 8));
    expect(other.verify(invite([answer(0)]), 1000, passwords)).toEqual({ ok: false, why: 'wrong' });
  });
  test('none at all', () =>
    expect(server.verify(invite([]), 0, passwords)).toEqual({ ok: false, why: 'absent' }));
});

// The worked example of RFC 7616 §3.9.1, which holds for SIP with its method and URI.
test.each([
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
])('RFC 7616 §3.9.1, %s', (algorithm, expected) => {
  const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
  const r = challenge([
    [
      'WWW-Authenticate',
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
    ],
  ]);
  const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
  const mufasa = { username: 'Mufasa', password: 'Circle of Life' };
  const value = answerChallenge(r, 'GET', '/dir/index.html', mufasa, cnonce)?.header[1] ?? '';
  expect(parseDigest(value)?.get('response')).toBe(expected);
});

test('a proxy challenge is answered by Proxy-Authorization; unknown algorithms are passed over', () => {
  const r = challenge(
    [
      ['Proxy-Authenticate', 'Digest realm="p", nonce="n", algorithm=SHA-512-256, qop="auth"'],
      ['Proxy-Authenticate', 'Digest realm="p", nonce="n", stale=TRUE'],
    ],
    407,
  );
  const answer = answerChallenge(r, 'INVITE', 'sip:b@h', who, 'c');
  expect(answer?.header[0]).toBe('Proxy-Authorization');
  expect(answer?.stale).toBe(true);
});
