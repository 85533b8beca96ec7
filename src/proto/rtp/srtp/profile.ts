import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';

export type SrtpProfile =
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32'
  | 'AEAD_AES_128_GCM'
  | 'AEAD_AES_256_GCM';

/**
 * Sizes in bytes, and the number in the DTLS use_srtp extension (RFC 5764 §4.1.2, RFC 7714 §14.2). The names are also
 * those of SDES (RFC 4568 §6.2, RFC 7714 §14.1). `tagBytes` is of RTP: RTCP has 10 with every CM (RFC 3711 §3.4, §5.2).
 */
export const SRTP_PROFILES = {
  AES_CM_128_HMAC_SHA1_80: { id: 1, keyBytes: 16, saltBytes: 14, tagBytes: 10, aead: false },
  AES_CM_128_HMAC_SHA1_32: { id: 2, keyBytes: 16, saltBytes: 14, tagBytes: 4, aead: false },
  AEAD_AES_128_GCM: { id: 7, keyBytes: 16, saltBytes: 12, tagBytes: 16, aead: true },
  AEAD_AES_256_GCM: { id: 8, keyBytes: 32, saltBytes: 12, tagBytes: 16, aead: true },
} as const satisfies Record<SrtpProfile, object>;

export const isSrtpProfile = (name: string): name is SrtpProfile => Object.hasOwn(SRTP_PROFILES, name);

/** Master key and salt of one direction, from DTLS, SDES or aRTP. */
export interface SrtpKeys {
  readonly profile: SrtpProfile;
  /** 16 or 32 bytes. */
  readonly masterKey: Uint8Array;
  /** 14 bytes (CM) or 12 (GCM). */
  readonly masterSalt: Uint8Array;
}

/** Session keys of RTP or of RTCP, one direction. */
export interface SessionKeys {
  /** A KeyObject: with raw bytes Node makes one for every packet. */
  readonly key: KeyObject;
  readonly salt: Buffer;
  /** HMAC-SHA1 key, 20 bytes; empty for GCM. */
  readonly auth: Buffer;
}

/** RFC 3711 §4.3.2 labels. */
const LABELS = { rtp: { key: 0, auth: 1, salt: 2 }, rtcp: { key: 3, auth: 4, salt: 5 } } as const;

/** RFC 3711 §4.3.1 with key_derivation_rate 0; the same PRF serves GCM (RFC 7714 §11). Wrong sizes throw RangeError. */
export function deriveSessionKeys(keys: SrtpKeys, kind: 'rtp' | 'rtcp'): SessionKeys {
  const { keyBytes, saltBytes, aead } = SRTP_PROFILES[keys.profile];
  if (keys.masterKey.length !== keyBytes || keys.masterSalt.length !== saltBytes)
    throw new RangeError(
      `${keys.profile} takes a ${keyBytes}-byte master key and a ${saltBytes}-byte master salt, ` +
        `not ${keys.masterKey.length} and ${keys.masterSalt.length}`,
    );
  const labels = LABELS[kind];
  return {
    key: createSecretKey(derive(keys, labels.key, keyBytes)),
    salt: derive(keys, labels.salt, saltBytes),
    auth: derive(keys, labels.auth, aead ? 0 : 20),
  };
}

/** AES-CM over zeros, with as long a key as the master key (RFC 6188 §3, RFC 7714 §11); the counter block is master salt with the label in byte 7, 16 counter bits at the end. */
function derive(keys: SrtpKeys, label: number, bytes: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.set(keys.masterSalt);
  iv[7]! ^= label;
  return createCipheriv(`aes-${(keys.masterKey.length * 8) as 128 | 256}-ctr`, keys.masterKey, iv).update(
    Buffer.alloc(bytes),
  );
}
