import { describe, expect, test } from 'vitest';
import { SRTP_PROFILES } from '../rtp/srtp/profile.ts';
import { freshKeys, readCrypto, SUITES, sameKeys, writeCrypto } from './sdes.ts';

const KEY = Buffer.from(Array.from({ length: 30 }, (_, i) => i)).toString('base64');
const line = (rest = '', suite = 'AES_CM_128_HMAC_SHA1_80', key = KEY): string =>
  `1 ${suite} inline:${key}${rest}`;

describe('a=crypto', () => {
  test.each(SUITES)('%s is read as it was written', profile => {
    let at = 0;
    const keys = freshKeys(profile, n => Buffer.from(Array.from({ length: n }, () => at++)));
    const read = readCrypto(writeCrypto({ tag: 7, keys }));
    if (typeof read === 'string') throw new Error(read);
    expect(read).toMatchObject({ tag: 7 });
    expect(sameKeys(read.keys, keys)).toBe(true);
    expect(read.keys.masterKey).toHaveLength(SRTP_PROFILES[profile].keyBytes);
    expect(read.keys.masterKey[0]).toBe(0);
    expect(read.mki).toBeUndefined();
  });

  test.each(['|2^48', '|1048576', '|2^20', ' -FUTURE=1', ' WSH=128', '  WSH=64 -x'])('%s is taken', rest =>
    expect(readCrypto(line(rest))).toMatchObject({ tag: 1 }),
  );

  test('an MKI, with and without a lifetime, is the number in as many bytes', () => {
    expect(readCrypto(line('|2^20|1:4'))).toMatchObject({ mki: Buffer.of(0, 0, 0, 1) });
    expect(readCrypto(line('|258:2'))).toMatchObject({ mki: Buffer.of(1, 2) });
  });

  test('base64 without its padding', () => {
    const gcm = Buffer.alloc(28, 3).toString('base64');
    expect(gcm).toMatch(/==$/);
    expect(readCrypto(line('', 'AEAD_AES_128_GCM', gcm.replace(/=+$/, '')))).toMatchObject({ tag: 1 });
  });

  test.each([
    ['x AES_CM_128_HMAC_SHA1_80 inline:AAAA', /tag/],
    ['1234567890 AES_CM_128_HMAC_SHA1_80 inline:AAAA', /tag/],
    ['1 AES_192_CM_HMAC_SHA1_80 inline:AAAA', /AES_192_CM_HMAC_SHA1_80 is not known/],
    ['1 toString inline:AAAA', /not known/],
    [line(' UNENCRYPTED_SRTP'), /UNENCRYPTED_SRTP/],
    [line(' UNENCRYPTED_SRTCP'), /UNENCRYPTED_SRTCP/],
    [line(' UNAUTHENTICATED_SRTP'), /UNAUTHENTICATED_SRTP/],
    [line(' KDR=1'), /KDR/],
    [line(' FEC_ORDER=SRTP_FEC'), /FEC_ORDER/],
    [line(' WSH=63'), /WSH/],
    [line(' WSH=9999'), /WSH/],
    [line('', 'AEAD_AES_256_GCM'), /44 bytes/],
    [line('', undefined, KEY.slice(0, -4)), /30 bytes/],
    [line('', undefined, `${KEY}AAAA`), /30 bytes/],
    [line('', undefined, `*${KEY.slice(1)}`), /not one inline key/],
    [line(`;inline:${KEY}|2:4`), /not one inline key/],
    ['1 AES_CM_128_HMAC_SHA1_80 uri:x', /not one inline key/],
    ['1 AES_CM_128_HMAC_SHA1_80', /not one inline key/],
    [line('|1:4|2^20'), /order/],
    [line('|2^20|1:4|9'), /order/],
    [line('|2^20|x'), /MKI/],
    [line('|2^20|1:129'), /MKI/],
    [line('|2^20|256:1'), /does not fit/],
    ['', /tag/],
  ])('%s is skipped', (text, why) => expect(readCrypto(text)).toMatch(why));
});
