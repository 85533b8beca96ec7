import {
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';
import { SRTP_PROFILES, type SrtpKeys, type SrtpProfile } from '../rtp/srtp/profile.ts';
import { RecordCipher } from './record.ts';
import { ALERT, DtlsFault, GROUP, type Group, type Suite } from './wire.ts';

/** RFC 5246 §5: P_hash, with the hash of the suite (RFC 5289 §3). */
function prf(hash: string, secret: Uint8Array, label: string, seed: Uint8Array, bytes: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'latin1'), seed]);
  const out: Buffer[] = [];
  let a: Buffer = labelled;
  for (let have = 0; have < bytes; have += a.length) {
    a = createHmac(hash, secret).update(a).digest();
    out.push(createHmac(hash, secret).update(a).update(labelled).digest());
  }
  return Buffer.concat(out).subarray(0, bytes);
}

/** Of handshake messages, with the hash of the suite. */
export const digest = ({ hash }: Suite, messages: Uint8Array): Buffer =>
  createHash(hash).update(messages).digest();

/** One ephemeral key: its public value, and the secret shared with the peer's. */
export interface KeyExchange {
  readonly publicValue: Buffer;
  /** Throws DtlsFault when the peer's value is no point of the group. */
  shared(peer: Buffer): Buffer;
}

export const keyExchange = (group: Group): KeyExchange => (group === GROUP.x25519 ? x25519() : p256());

function p256(): KeyExchange {
  const ecdh = createECDH('prime256v1');
  return {
    publicValue: ecdh.generateKeys(),
    shared(peer) {
      // RFC 8422 §5.4.1: uncompressed points only; computeSecret checks that the point is on the curve (§5.11).
      if (peer.length !== 65 || peer[0] !== 4) throw notAPoint();
      try {
        return ecdh.computeSecret(peer);
      } catch {
        throw notAPoint();
      }
    },
  };
}

/** SubjectPublicKeyInfo of X25519 before the 32 bytes of the key, RFC 8410 §4. */
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');

function x25519(): KeyExchange {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    publicValue: publicKey.export({ format: 'der', type: 'spki' }).subarray(X25519_SPKI.length),
    shared(peer) {
      // RFC 8422 §5.11: OpenSSL refuses other lengths and points of small order, whose secret would be zero (tested).
      try {
        const key = Buffer.concat([X25519_SPKI, peer]);
        return diffieHellman({
          privateKey,
          publicKey: createPublicKey({ key, format: 'der', type: 'spki' }),
        });
      } catch {
        throw notAPoint();
      }
    },
  };
}

const notAPoint = (): DtlsFault =>
  new DtlsFault(ALERT.illegalParameter, 'The key exchange holds no valid public key of the peer.');

/** RFC 7627 §4: bound to the whole handshake so far, so that no other connection has the same. */
export const extendedMasterSecret = ({ hash }: Suite, preMaster: Buffer, transcriptHash: Buffer): Buffer =>
  prf(hash, preMaster, 'extended master secret', transcriptHash, 48);

export interface Randoms {
  readonly client: Buffer;
  readonly server: Buffer;
}

const SALT_BYTES = 4;

/** RFC 5246 §6.3: client key, server key, client salt, server salt (4 bytes). */
export function recordCiphers(
  { hash, keyBytes }: Suite,
  master: Buffer,
  r: Randoms,
): { client: RecordCipher; server: RecordCipher } {
  const seed = Buffer.concat([r.server, r.client]);
  const block = prf(hash, master, 'key expansion', seed, 2 * (keyBytes + SALT_BYTES));
  const cipher = (n: 0 | 1): RecordCipher => {
    const salt = 2 * keyBytes + n * SALT_BYTES;
    return new RecordCipher(
      block.subarray(n * keyBytes, (n + 1) * keyBytes),
      block.subarray(salt, salt + SALT_BYTES),
    );
  };
  return { client: cipher(0), server: cipher(1) };
}

/** RFC 5764 §4.2: client key, server key, client salt, server salt. */
export function srtpKeys(
  { hash }: Suite,
  master: Buffer,
  r: Randoms,
  profile: SrtpProfile,
): { client: SrtpKeys; server: SrtpKeys } {
  const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
  const seed = Buffer.concat([r.client, r.server]);
  const material = prf(hash, master, 'EXTRACTOR-dtls_srtp', seed, 2 * (keyBytes + saltBytes));
  const keysOf = (n: 0 | 1): SrtpKeys => ({
    profile,
    masterKey: material.subarray(n * keyBytes, (n + 1) * keyBytes),
    masterSalt: material.subarray(2 * keyBytes + n * saltBytes, 2 * keyBytes + (n + 1) * saltBytes),
  });
  return { client: keysOf(0), server: keysOf(1) };
}

export const verifyData = (
  { hash }: Suite,
  master: Buffer,
  who: 'client' | 'server',
  transcriptHash: Buffer,
): Buffer => prf(hash, master, `${who} finished`, transcriptHash, 12);
