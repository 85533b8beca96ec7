import { AesCmCipher } from './aes-cm.ts';
import { AesGcmCipher } from './aes-gcm.ts';
import type { PacketCipher } from './packet-cipher.ts';
import { deriveSessionKeys, SRTP_PROFILES, type SrtpKeys } from './profile.ts';

/** RFC 3711 §5.2, RFC 4568 §6.2.2: a short tag is for RTP alone. */
const RTCP_TAG_BYTES = 10;

export function packetCipher(keys: SrtpKeys, kind: 'rtp' | 'rtcp'): PacketCipher {
  const session = deriveSessionKeys(keys, kind);
  const { aead, tagBytes } = SRTP_PROFILES[keys.profile];
  if (aead) return new AesGcmCipher(session);
  return new AesCmCipher(session, kind === 'rtp' ? tagBytes : RTCP_TAG_BYTES);
}
