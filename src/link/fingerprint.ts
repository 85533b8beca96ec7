import type { TLSSocket } from 'node:tls';

/** Hex without colons, lower case: the one form fingerprints are compared in. */
export const plainFingerprint = (text: string): string => text.replace(/[^0-9a-fA-F]/g, '').toLowerCase();

/**
 * SHA-256 of the peer's certificate, `AA:BB:…`, or undefined when it showed none. TLS has proven by then that the peer
 * holds its key; whether we know that key is all that is left to ask, so nothing else of the certificate counts.
 */
export const peerFingerprint = (tls: TLSSocket): string | undefined =>
  tls.getPeerX509Certificate()?.fingerprint256;
