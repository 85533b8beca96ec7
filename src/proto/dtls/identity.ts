import { generateKeyPairSync } from 'node:crypto';
import { selfSignedCertificate } from '../x509/self-signed.ts';
import { type Fingerprint, fingerprintOf, type Identity } from './proof.ts';

const DAY_MS = 86_400_000;

/** A certificate of our own, and what the SDP says of it. */
export interface OwnIdentity extends Identity {
  readonly fingerprint: Fingerprint;
}

/**
 * Key and certificate for DTLS-SRTP, made anew by each process: peers check the fingerprint of the SDP (RFC 5763 §5),
 * so nobody needs to know it before. P-256, as RFC 8827 §6.5 asks for. `serial`: random bytes; `now`: Unix ms.
 */
export function makeIdentity(serial: Buffer, now: number): OwnIdentity {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { der } = selfSignedCertificate({
    commonName: 'Roombridge',
    dnsNames: [],
    ipAddresses: [],
    from: new Date(now - DAY_MS), // clocks of others may be behind
    days: 366,
    serial,
    ...keys,
  });
  return { certificate: der, privateKey: keys.privateKey, fingerprint: fingerprintOf(der) };
}
