import { constants, createHash, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import { ALERT, DtlsFault, Reader, SIGNATURE, uint, vector } from './wire.ts';

export type Who = 'client' | 'server';

/** From the peer's SDP: `a=fingerprint:sha-256 AA:BB:…` (RFC 8122). */
export interface Fingerprint {
  readonly algorithm: 'sha-256' | 'sha-384' | 'sha-512';
  /** Upper-case hex with colons. */
  readonly value: string;
}

/** The certificate of this end: ECDSA P-256 (`src/proto/x509`). */
export interface Identity {
  readonly certificate: Buffer;
  readonly privateKey: KeyObject;
}

const MIN_RSA_BITS = 2048;

export function fingerprintOf(
  certificate: Uint8Array,
  algorithm: Fingerprint['algorithm'] = 'sha-256',
): Fingerprint {
  const hash = createHash(algorithm.replace('-', '')).update(certificate).digest('hex').toUpperCase();
  return { algorithm, value: (hash.match(/../g) as string[]).join(':') };
}

/** The key of the peer's certificate, once its fingerprint is one of those announced. RFC 5246 §7.4.2, §7.4.6, RFC 5763 §5. */
export function readCertificate(
  body: Buffer,
  announced: readonly Fingerprint[] | 'anyone',
  who: Who,
): KeyObject {
  const r = new Reader(body, 'Certificate');
  const chain = new Reader(r.vector(3), 'certificate chain');
  r.end();
  if (chain.left === 0) throw new DtlsFault(ALERT.handshakeFailure, `The ${who} sent no certificate.`);
  const der = chain.vector(3);
  while (chain.left > 0) chain.vector(3);
  const isIt = (f: Fingerprint): boolean =>
    fingerprintOf(der, f.algorithm).value.replaceAll(':', '') === f.value.replaceAll(':', '').toUpperCase();
  const matches = announced === 'anyone' || announced.some(isIt);
  if (!matches)
    throw new DtlsFault(
      ALERT.badCertificate,
      `The certificate of the ${who} is not the one whose fingerprint its SDP announced.`,
    );
  return publicKeyOf(der, who);
}

function publicKeyOf(der: Buffer, who: Who): KeyObject {
  let key: KeyObject;
  try {
    key = new X509Certificate(der).publicKey;
  } catch {
    throw new DtlsFault(ALERT.badCertificate, `The certificate of the ${who} cannot be read.`);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec') return key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS) return key;
  throw new DtlsFault(
    ALERT.unsupportedCertificate,
    `The key of the ${who} is neither ECDSA nor RSA of 2048 bits or more.`,
  );
}

/** RFC 5246 §7.4.8: the client signs every handshake message so far, and so proves that the certificate is its own. */
export function checkCertificateVerify(body: Buffer, key: KeyObject, transcript: Buffer): void {
  const r = new Reader(body, 'CertificateVerify');
  const holds = readSignature(r, key, transcript);
  r.end();
  if (!holds)
    throw new DtlsFault(ALERT.decryptError, 'The client could not prove that the certificate is its own.');
}

/** RFC 5246 §4.7 digitally-signed: algorithm and signature over `message`. The algorithm must be one we asked for, and fit the key. */
export function readSignature(r: Reader, key: KeyObject, message: Buffer): boolean {
  const algorithm = r.uint(2);
  const signature = r.vector(2);
  const type = key.asymmetricKeyType;
  switch (algorithm) {
    case SIGNATURE.ecdsaSha256:
      return type === 'ec' && verify('sha256', message, key, signature);
    case SIGNATURE.rsaPkcs1Sha256:
      return type === 'rsa' && verify('sha256', message, key, signature);
    case SIGNATURE.rsaPssSha256: {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return type === 'rsa' && verify('sha256', message, { key, padding, saltLength: 32 }, signature);
    }
    default:
      return false;
  }
}

/** What `readSignature` reads, made with a key of ours (ECDSA). */
export const writeSignature = (identity: Identity, message: Buffer): Buffer =>
  Buffer.concat([uint(2, SIGNATURE.ecdsaSha256), vector(2, sign('sha256', message, identity.privateKey))]);
