import { AesCmCipher } from './aes-cm.ts';
import { AesGcmCipher } from './aes-gcm.ts';
import type { PacketCipher } from './packet-cipher.ts';
import { deriveSessionKeys, type SrtpKeys } from './profile.ts';

export function packetCipher(keys: SrtpKeys, kind: 'rtp' | 'rtcp'): PacketCipher {
  const session = deriveSessionKeys(keys, kind);
  return keys.profile === 'AEAD_AES_128_GCM' ? new AesGcmCipher(session) : new AesCmCipher(session);
}
