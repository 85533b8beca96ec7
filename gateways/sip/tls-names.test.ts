import type { PeerCertificate } from 'node:tls';
import { expect, test } from 'vitest';
import { checkName, namesIn } from './tls-names.ts';

const certificate = (subjectaltname: string | undefined, CN = 'common.example'): PeerCertificate =>
  ({ subject: { CN }, subjectaltname }) as unknown as PeerCertificate;

test.each([
  ['DNS:A.example, IP Address:192.0.2.1', ['a.example', '192.0.2.1']],
  // RFC 5922 §7.1: a sip URI without user is the domain, and then nothing else is; others are nothing.
  ['URI:sip:sip.example, DNS:a.example', ['sip.example']],
  ['URI:sip:alice@sip.example, DNS:a.example', ['a.example']],
  ['URI:https://x.example, DNS:a.example', ['a.example']],
  ['URI:sip:one.example, URI:sip:two.example', ['one.example', 'two.example']],
  ['email:x@y', []],
  [undefined, ['common.example']],
])('%s names %j', (san, names) => expect(namesIn(certificate(san))).toEqual(names));

test.each([
  ['a.example', 'DNS:a.example', true],
  ['A.EXAMPLE', 'DNS:a.example', true],
  ['b.example', 'DNS:a.example', false],
  ['x.a.example', 'DNS:*.a.example', true],
  ['x.y.a.example', 'DNS:*.a.example', false],
  ['x.a.example', 'URI:sip:*.a.example', false],
  ['a.example', 'URI:sip:b.example, DNS:a.example', false],
  ['192.0.2.1', 'IP Address:192.0.2.1', true],
  ['192.0.2.2', 'IP Address:192.0.2.1, DNS:192.0.2.2', false],
  ['common.example', undefined, true],
] as const)('is %s named by %s: %s', (name, san, named) => {
  const fault = checkName(name, certificate(san));
  if (named) expect(fault).toBeUndefined();
  else expect(fault?.message).toMatch(/^its certificate is for .*, not for/);
});
