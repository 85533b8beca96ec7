import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { selfSignedCertificate } from '../proto/x509/self-signed.ts';

/** What this process shows to the other processes of the system: new at every start, known to them by its advert. */
export interface Identity {
  readonly process: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly fingerprint: string;
}

const DAYS = 3650; // trusted by fingerprint for as long as the process lives

export function createIdentity(): Identity {
  const process = randomBytes(6).toString('hex');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const made = selfSignedCertificate({
    commonName: `roombridge-${process}`,
    dnsNames: [],
    ipAddresses: [],
    from: new Date(Date.now() - 86_400_000),
    days: DAYS,
    serial: randomBytes(16),
    privateKey,
    publicKey,
  });
  return {
    process,
    certPem: made.certPem,
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    fingerprint: made.fingerprintSha256,
  };
}
