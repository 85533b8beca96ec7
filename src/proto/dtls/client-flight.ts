import { SRTP_PROFILES, type SrtpProfile } from '../rtp/srtp/profile.ts';
import {
  ALERT,
  CERTIFICATE_TYPE,
  DTLS_1_2,
  DtlsFault,
  EXTENSION,
  extension,
  GROUP,
  numbers16,
  Reader,
  SIGNATURE,
  SUITES,
  uint,
  vector,
} from './wire.ts';

/**
 * ```
 * | version 2 | random 32 | session id <1> | cookie <1> | suites <2> | compressions <1> | extensions <2> |
 * ```
 * RFC 6347 §4.2.1: with a cookie everything else stays the same.
 */
export function clientHello(random: Buffer, cookie: Buffer, profiles: readonly SrtpProfile[]): Buffer {
  const extensions = [
    extension(EXTENSION.supportedGroups, numbers16(GROUP.p256, GROUP.x25519)),
    extension(EXTENSION.pointFormats, vector(1, uint(1, 0))),
    extension(
      EXTENSION.signatureAlgorithms,
      numbers16(SIGNATURE.ecdsaSha256, SIGNATURE.rsaPssSha256, SIGNATURE.rsaPkcs1Sha256),
    ),
    // RFC 5764 §4.1.1: the profiles, and no MKI.
    extension(EXTENSION.useSrtp, numbers16(...profiles.map(p => SRTP_PROFILES[p].id)), vector(1)),
    extension(EXTENSION.extendedMasterSecret),
    extension(EXTENSION.renegotiationInfo, vector(1)),
  ];
  const noSession = vector(1);
  const nullCompression = vector(1, uint(1, 0));
  return Buffer.concat([
    uint(2, DTLS_1_2),
    random,
    noSession,
    vector(1, cookie),
    numbers16(...SUITES.map(s => s.id)),
    nullCompression,
    vector(2, ...extensions),
  ]);
}

/** RFC 5246 §7.4.4. Faults when the server takes no certificate like ours: without one it would end the handshake anyway. */
export function certificateRequested(body: Buffer): void {
  const r = new Reader(body, 'CertificateRequest');
  const types = r.vector(1);
  const algorithms = r.numbers(2);
  r.vector(2); // authorities: ours is self-signed, and its fingerprint was announced
  r.end();
  if (!types.includes(CERTIFICATE_TYPE.ecdsaSign) || !algorithms.includes(SIGNATURE.ecdsaSha256))
    throw new DtlsFault(ALERT.handshakeFailure, 'The server takes no certificate with an ECDSA key.');
}
