import { createHash, type KeyObject, sign } from 'node:crypto';
import { ipBytes } from '../../kit/ip.ts';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  octetString,
  oid,
  sequence,
  set,
  time,
  unsigned,
  utf8String,
} from './der.ts';

export interface SelfSignedAsk {
  /** Subject and issuer; at most 64 characters (RFC 5280 ub-common-name), the rest is cut. */
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  /** IPv4 or IPv6 texts; anything else throws a RangeError: they come from config or the machine, never the wire. */
  readonly ipAddresses: readonly string[];
  readonly from: Date;
  readonly days: number;
  /** Up to 20 random bytes; the caller's, so that a test can fix them. */
  readonly serial: Uint8Array;
  /** ECDSA P-256. */
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface SelfSigned {
  readonly certPem: string;
  readonly der: Buffer;
  /** `AA:BB:…`, as in SDP `a=fingerprint:sha-256` (RFC 8122 §5). */
  readonly fingerprintSha256: string;
}

/**
 * A self-signed X.509 v3 certificate, ECDSA P-256 with SHA-256 (RFC 5280, RFC 5758 §3.2): for the https page and for
 * DTLS. Marked as a CA of itself so that a user can trust it by import; good for servers (extended key usage).
 * ```
 * Certificate  ::= SEQUENCE { tbs, ecdsa-with-SHA256, BIT STRING signature }
 * tbs ::= SEQUENCE { [0] v3, serial, algorithm, issuer, { from, to }, subject, publicKeyInfo, [3] extensions }
 * ```
 */
export function selfSignedCertificate(ask: SelfSignedAsk): SelfSigned {
  const until = new Date(ask.from.getTime() + ask.days * 86_400_000);
  const name = sequence(
    set(sequence(oid('2.5.4.3'), utf8String(ask.commonName.slice(0, 64) || 'roombridge'))),
  );
  const publicKeyInfo = ask.publicKey.export({ format: 'der', type: 'spki' });
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
  const tbs = sequence(
    explicit(0, unsigned(Buffer.from([2]))),
    unsigned(positive(ask.serial)),
    ecdsaWithSha256,
    name,
    sequence(time(ask.from), time(until)),
    name,
    publicKeyInfo,
    explicit(3, sequence(...extensions(ask, publicKeyInfo))),
  );
  const certificate = sequence(tbs, ecdsaWithSha256, bitString(sign('sha256', tbs, ask.privateKey)));
  const base64 = certificate.toString('base64').replace(/(.{64})(?!$)/g, '$1\n');
  return {
    certPem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    der: certificate,
    fingerprintSha256: fingerprintSha256(certificate),
  };
}

/** `AA:BB:…` of a certificate in DER, the form SDP carries. */
const fingerprintSha256 = (certificate: Uint8Array): string =>
  createHash('sha256').update(certificate).digest('hex').toUpperCase().match(/../g)!.join(':');

/** RFC 5280 §4.1.2.2: positive, never zero, 20 octets at most. */
function positive(serial: Uint8Array): Buffer {
  const bytes = Buffer.from(serial.subarray(0, 20));
  if (bytes.length > 0) bytes[0]! &= 0x7f;
  return bytes.some(b => b !== 0) ? bytes : Buffer.from([1]);
}

function extensions(ask: SelfSignedAsk, publicKeyInfo: Buffer): Buffer[] {
  const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
    critical ? sequence(oid(id), boolean(true), octetString(value)) : sequence(oid(id), octetString(value));
  const names = [
    ...ask.dnsNames.map(n => implicit(2, Buffer.from(n, 'latin1'))),
    ...ask.ipAddresses.map(a => implicit(7, addressBytes(a))),
  ];
  const keyId = createHash('sha1').update(publicKeyInfo).digest();
  return [
    extension('2.5.29.19', true, sequence(boolean(true))), // basicConstraints: CA
    extension('2.5.29.15', true, bitString(Buffer.from([0x84]), 2)), // keyUsage: digitalSignature, keyCertSign
    extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), // extKeyUsage: serverAuth
    extension('2.5.29.14', false, octetString(keyId)), // subjectKeyIdentifier
    ...(names.length > 0 ? [extension('2.5.29.17', false, sequence(...names))] : []), // subjectAltName
  ];
}

function addressBytes(text: string): Uint8Array {
  const bytes = ipBytes(text);
  if (bytes === undefined) throw new RangeError(`${text} is not an IP address`);
  return bytes;
}
