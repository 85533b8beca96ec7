import {
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
} from 'node:crypto';
import { SRTP_PROFILES, type SrtpKeys, type SrtpProfile } from '../../rtp/srtp/profile.ts';
import { RecordCipher } from './record.ts';
import { ALERT, DtlsFault, GROUP, type Group } from './wire.ts';

/** RFC 5246 §5: P_SHA256. */
function prf(secret: Uint8Array, label: string, seed: Uint8Array, bytes: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'latin1'), seed]);
  const out: Buffer[] = [];
  let a: Buffer = labelled;
  for (let have = 0; have < bytes; have += 32) {
    a = createHmac('sha256', secret).update(a).digest();
    out.push(createHmac('sha256', secret).update(a).update(labelled).digest());
  }
  return Buffer.concat(out).subarray(0, bytes);
}

export const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

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
  new DtlsFault(ALERT.illegalParameter, 'The ClientKeyExchange holds no valid public key.');

/** RFC 7627 §4: bound to the whole handshake so far, so that no other connection has the same. */
export const extendedMasterSecret = (preMaster: Buffer, transcriptHash: Buffer): Buffer =>
  prf(preMaster, 'extended master secret', transcriptHash, 48);

export interface Randoms {
  readonly client: Buffer;
  readonly server: Buffer;
}

/** RFC 5246 §6.3: client key, server key (16 bytes), client salt, server salt (4 bytes). */
export function recordCiphers(master: Buffer, r: Randoms): { client: RecordCipher; server: RecordCipher } {
  const block = prf(master, 'key expansion', Buffer.concat([r.server, r.client]), 40);
  return {
    client: new RecordCipher(block.subarray(0, 16), block.subarray(32, 36)),
    server: new RecordCipher(block.subarray(16, 32), block.subarray(36, 40)),
  };
}

/** RFC 5764 §4.2: client key, server key, client salt, server salt. */
export function srtpKeys(
  master: Buffer,
  r: Randoms,
  profile: SrtpProfile,
): { client: SrtpKeys; server: SrtpKeys } {
  const { keyBytes, saltBytes } = SRTP_PROFILES[profile];
  const seed = Buffer.concat([r.client, r.server]);
  const material = prf(master, 'EXTRACTOR-dtls_srtp', seed, 2 * (keyBytes + saltBytes));
  const keysOf = (n: 0 | 1): SrtpKeys => ({
    profile,
    masterKey: material.subarray(n * keyBytes, (n + 1) * keyBytes),
    masterSalt: material.subarray(2 * keyBytes + n * saltBytes, 2 * keyBytes + (n + 1) * saltBytes),
  });
  return { client: keysOf(0), server: keysOf(1) };
}

export const verifyData = (master: Buffer, who: 'client' | 'server', transcriptHash: Buffer): Buffer =>
  prf(master, `${who} finished`, transcriptHash, 12);
