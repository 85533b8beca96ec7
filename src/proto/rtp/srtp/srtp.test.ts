import { createCipheriv, createHmac, createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AesCmCipher } from './aes-cm.ts';
import { AesGcmCipher } from './aes-gcm.ts';
import {
  deriveSessionKeys,
  isSrtpProfile,
  SRTP_PROFILES,
  type SrtpKeys,
  type SrtpProfile,
} from './profile.ts';
import { SrtpReceiver } from './receiver.ts';
import { SrtpSender } from './sender.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const keysFor = (profile: SrtpProfile, fill = 7): SrtpKeys => ({
  profile,
  masterKey: Buffer.alloc(SRTP_PROFILES[profile].keyBytes, fill),
  masterSalt: Buffer.alloc(SRTP_PROFILES[profile].saltBytes, fill + 1),
});
const profiles = Object.keys(SRTP_PROFILES).filter(isSrtpProfile);

function rtp(seq: number, ssrc = 0x01020304, header: Buffer = Buffer.alloc(12)): Buffer {
  const h = Buffer.from(header);
  if (h[0] === 0) h[0] = 0x80;
  h[1] = 111;
  h.writeUInt16BE(seq & 0xffff, 2);
  h.writeUInt32BE(ssrc, 8);
  return h;
}
function seal(sender: SrtpSender, header: Buffer, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(4096);
  header.copy(out);
  return Buffer.from(out.subarray(0, sender.seal(out, header.length, payload)));
}

describe('vectors', () => {
  test('RFC 3711 B.3: key derivation', () => {
    const session = deriveSessionKeys(
      {
        profile: 'AES_CM_128_HMAC_SHA1_80',
        masterKey: hex('E1F97A0D3E018BE0D64FA32C06DE4139'),
        masterSalt: hex('0EC675AD498AFEEBB6960B3AABE6'),
      },
      'rtp',
    );
    expect(session.key.export()).toEqual(hex('C61E7A93744F39EE10734AFE3FF7A087'));
    expect(session.salt).toEqual(hex('30CBBC08863D8C85D49DB34A9AE1'));
    expect(session.auth).toEqual(hex('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4'));
  });

  test('RFC 3711 B.2: AES-CM key stream', () => {
    const session = {
      key: createSecretKey(hex('2B7E151628AED2A6ABF7158809CF4F3C')),
      salt: hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'),
      auth: Buffer.alloc(20),
    };
    const cipher = new AesCmCipher(session, 10);
    const out = Buffer.alloc(200);
    cipher.seal(out, 12, Buffer.alloc(48), 0, 0, 0);
    expect(out.subarray(12, 60)).toEqual(
      hex(
        'E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0',
      ),
    );
  });

  const gcm = () =>
    new AesGcmCipher({
      key: createSecretKey(hex('000102030405060708090a0b0c0d0e0f')),
      salt: hex('517569642070726f2071756f'),
    });

  test('RFC 7714 §16.1: SRTP with AES-128-GCM', () => {
    const header = hex('8040f17b 8041f8d3 5501a0b2');
    const payload = hex('47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573');
    const sealed = hex(
      '8040f17b 8041f8d3 5501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833' +
        '899d7f27beb16a9152cf765ee4390cce',
    );
    const out = Buffer.alloc(sealed.length);
    header.copy(out);
    expect(gcm().seal(out, 12, payload, 0x5501a0b2, 0, 0xf17b)).toBe(sealed.length);
    expect(out).toEqual(sealed);
    const plain = Buffer.alloc(sealed.length - 16);
    expect(gcm().open(sealed, 12, plain, 0x5501a0b2, 0, 0xf17b)).toBe(true);
    expect(plain).toEqual(Buffer.concat([header, payload]));
  });

  test('RFC 7714 §17.1: SRTCP with AES-128-GCM', () => {
    const plain = hex(
      '81c8000d 4d617273 4e5450314e54503252545020 0000042a 0000e930 4c756e61 deadbeefdeadbeefdeadbeefdeadbeefdeadbeef',
    );
    const sealed = hex(
      '81c8000d 4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b' +
        'c84aa45896cf4d2fc5abf87245d9eade 800005d4',
    );
    expect(gcm().sealRtcp(plain, 0x4d617273, 0x800005d4)).toEqual(sealed);
    expect(gcm().openRtcp(sealed, 0x4d617273, 0x800005d4)).toEqual(plain);
  });

  test('RFC 7714 §16.2 and §17.2: AES-256-GCM', () => {
    const gcm = new AesGcmCipher({
      key: createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, i) => i))),
      salt: hex('517569642070726f2071756f'),
    });
    const header = hex('8040f17b 8041f8d3 5501a0b2');
    const payload = hex('47616c6c696120657374206f6d6e697320646976697361 20696e207061727465732074726573');
    const out = Buffer.alloc(66);
    header.copy(out);
    gcm.seal(out, 12, payload, 0x5501a0b2, 0, 0xf17b);
    expect(out.subarray(12)).toEqual(
      hex(
        '32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b' +
          '7aa3db36dfffd6b0f9bb7878d7a76c13',
      ),
    );
    const report = hex(
      '81c8000d 4d617273 4e5450314e54503252545020 0000042a 0000e930 4c756e61 deadbeefdeadbeefdeadbeefdeadbeefdeadbeef',
    );
    expect(gcm.sealRtcp(report, 0x4d617273, 0x800005d4)).toEqual(
      hex(
        '81c8000d 4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047' +
          '6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be 800005d4',
      ),
    );
  });
});

test('the fast counter mode and HMAC are those of node:crypto, at every length, ROC and sequence', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1500 }),
      fc.nat(0xffffffff),
      fc.nat(0xffffffff),
      fc.nat(0xffff),
      fc.nat(3),
      fc.constantFrom(4, 10),
      (payload, ssrc, roc, seq, csrcs, tagBytes) => {
        const session = deriveSessionKeys(keysFor('AES_CM_128_HMAC_SHA1_80'), 'rtp');
        const header = rtp(seq, ssrc, Buffer.alloc(12 + csrcs * 4, 0x80 | csrcs));
        const iv = Buffer.alloc(16);
        iv.writeUInt32BE(ssrc, 4);
        iv.writeUInt32BE(roc, 8);
        iv.writeUInt16BE(seq, 12);
        for (const [i, b] of session.salt.entries()) iv[i]! ^= b;
        const body = Buffer.concat([header, createCipheriv('aes-128-ctr', session.key, iv).update(payload)]);
        const roc4 = Buffer.alloc(4);
        roc4.writeUInt32BE(roc);
        const tag = createHmac('sha1', session.auth).update(body).update(roc4).digest().subarray(0, tagBytes);

        const cipher = new AesCmCipher(session, tagBytes);
        const out = Buffer.alloc(body.length + tagBytes);
        header.copy(out);
        cipher.seal(out, header.length, payload, ssrc, roc, seq);
        expect(out.equals(Buffer.concat([body, tag]))).toBe(true);
        const plain = Buffer.alloc(body.length);
        expect(cipher.open(out, header.length, plain, ssrc, roc, seq)).toBe(true);
        expect(plain.subarray(header.length).equals(payload)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test('key stream made ahead is that of each packet: in order, across the wrap, with holes, repeats and many SSRCs', () => {
  const session = deriveSessionKeys(keysFor('AES_CM_128_HMAC_SHA1_80'), 'rtp');
  const cipher = new AesCmCipher(session, 10);
  const step = fc.record({ by: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 2, 9, 0, -1, -3), bytes: fc.nat(1460) });
  fc.assert(
    fc.property(
      fc.constantFrom(0, 100, 65_500),
      fc.array(step, { minLength: 20, maxLength: 60 }),
      fc.nat(20),
      (from, steps, ssrc) => {
        let index = 0x30000 + from;
        for (const { by, bytes } of steps) {
          index += by;
          const [roc, seq] = [Math.floor(index / 0x10000), index % 0x10000];
          const iv = Buffer.alloc(16);
          iv.writeUInt32BE(ssrc, 4);
          iv.writeUInt32BE(roc, 8);
          iv.writeUInt16BE(seq, 12);
          for (const [i, b] of session.salt.entries()) iv[i]! ^= b;
          const payload = Buffer.alloc(bytes, seq);
          const out = Buffer.alloc(12 + bytes + 10);
          cipher.seal(out, 12, payload, ssrc, roc, seq);
          const expected = createCipheriv('aes-128-ctr', session.key, iv).update(payload);
          expect(out.subarray(12, 12 + bytes).equals(expected)).toBe(true);
        }
      },
    ),
    { numRuns: 60 },
  );
});

describe.each(profiles)('%s', profile => {
  const pair = (options = {}) => {
    const sender = new SrtpSender(keysFor(profile));
    return { sender, receiver: new SrtpReceiver(keysFor(profile), options) };
  };

  test('follows the rollover counter through two wraps, with loss and reordering', () => {
    const { sender, receiver } = pair();
    for (let n = 65000; n < 65000 + 140_000; n += 97) {
      const pair = [n + 40, n].map(seq => seal(sender, rtp(seq), Buffer.from(`${seq}`)));
      for (const [i, packet] of pair.entries()) {
        const plain = receiver.open(packet);
        expect(Buffer.from((plain as Uint8Array).subarray(12)).toString()).toBe(`${i === 0 ? n + 40 : n}`);
      }
    }
  });

  test('opens headers with CSRCs and extensions, and empty payloads', () => {
    const { sender, receiver } = pair();
    const header = rtp(1, 5, hex('91 00 0000 00000000 00000000 11223344 bede0001 10aa0000'));
    const plain = receiver.open(seal(sender, header, Buffer.alloc(0)));
    expect(Buffer.from(plain as Uint8Array)).toEqual(header);
  });

  test('refuses a replay, a packet older than the window, and every flipped bit', () => {
    const { sender, receiver } = pair({ window: 128 });
    const first = seal(sender, rtp(1000), Buffer.from('first'));
    for (let bit = 0; bit < first.length * 8; bit++) {
      const forged = Buffer.from(first);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(typeof receiver.open(forged), `bit ${bit}`).toBe('string');
    }
    expect(receiver.open(first)).not.toBeTypeOf('string');
    expect(receiver.open(first)).toBe('replayed');
    const old = seal(sender, rtp(1001), Buffer.from('old'));
    expect(receiver.open(seal(sender, rtp(1129), Buffer.from('new')))).not.toBeTypeOf('string');
    expect(receiver.open(old)).toBe('too-old');
    expect(receiver.open(seal(sender, rtp(1002), Buffer.from('late')))).not.toBeTypeOf('string');
  });

  test('RTCP: opens, refuses replay, forgery and clear text', () => {
    const { sender, receiver } = pair();
    const report = hex('80c90001 01020304');
    const long = Buffer.concat([report, hex('81ca0002 01020304 0100 0000')]);
    const sealed = sender.sealRtcp(long);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const forged = Buffer.from(sealed);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(typeof receiver.openRtcp(forged), `bit ${bit}`).toBe('string');
    }
    expect(receiver.openRtcp(sealed)).toEqual(long);
    expect(receiver.openRtcp(sealed)).toBe('replayed');
    expect(receiver.openRtcp(sender.sealRtcp(report))).toEqual(report);
    const clear = Buffer.from(sender.sealRtcp(report));
    const word = SRTP_PROFILES[profile].aead ? clear.length - 4 : clear.length - 14;
    clear[word]! &= 0x7f;
    expect(receiver.openRtcp(clear)).toBe('unencrypted');
  });

  test('a master key identifier is taken off each packet, and must be the one that was signalled', () => {
    const sender = new SrtpSender(keysFor(profile));
    const mki = Uint8Array.of(0, 0, 0, 7);
    const receiver = new SrtpReceiver(keysFor(profile), { mki });
    const { aead, tagBytes } = SRTP_PROFILES[profile];
    const marked = (packet: Buffer, tag: number, id = mki): Buffer => {
      const at = packet.length - (aead ? 0 : tag);
      return Buffer.concat([packet.subarray(0, at), id, packet.subarray(at)]);
    };
    const packet = seal(sender, rtp(1), Buffer.from('x'));
    expect(receiver.open(packet)).toBe('mki');
    expect(receiver.open(marked(packet, tagBytes, Uint8Array.of(0, 0, 0, 8)))).toBe('mki');
    expect(receiver.open(Buffer.alloc(3))).toBe('mki');
    expect(Buffer.from(receiver.open(marked(packet, tagBytes)) as Uint8Array).toString('latin1', 12)).toBe(
      'x',
    );
    const report = hex('80c90001 01020304');
    expect(receiver.openRtcp(marked(sender.sealRtcp(report), 10))).toEqual(report);
  });

  test('under new keys the rollover counter goes on, or begins anew', () => {
    const { sender, receiver } = pair();
    for (const seq of [65_000, 65_535, 65_536, 66_000])
      receiver.open(seal(sender, rtp(seq), Buffer.from('x')));
    expect([...receiver.counters]).toEqual([[0x01020304, 66_000]]);
    expect(sender.rolledOver).toBe(true);
    const { counters } = receiver;
    const text = (r: SrtpReceiver, packet: Buffer): string => {
      const plain = r.open(packet);
      return typeof plain === 'string' ? plain : Buffer.from(plain.subarray(12)).toString();
    };
    const goesOn = new SrtpSender(keysFor(profile, 50));
    for (const seq of [40_000, 65_535]) seal(goesOn, rtp(seq), Buffer.alloc(0));
    const beginsAnew = new SrtpSender(keysFor(profile, 50));
    for (const next of [goesOn, beginsAnew]) {
      const after = new SrtpReceiver(keysFor(profile, 50), { counters });
      expect(text(after, seal(next, rtp(66_001), Buffer.from('after')))).toBe('after');
      expect(text(after, seal(next, rtp(66_002), Buffer.from('more')))).toBe('more');
    }
    const without = new SrtpReceiver(keysFor(profile, 50));
    expect(text(without, seal(goesOn, rtp(66_003), Buffer.from('lost')))).toBe('forged');
  });

  test('a short tag is for RTP alone', () => {
    const sender = new SrtpSender(keysFor(profile));
    const tag = SRTP_PROFILES[profile].tagBytes;
    expect(seal(sender, rtp(1), Buffer.alloc(5))).toHaveLength(12 + 5 + tag);
    expect(sender.sealRtcp(hex('80c90001 01020304'))).toHaveLength(8 + 4 + Math.max(10, tag));
  });

  test('remembers only so many SSRCs, and forged ones take no place', () => {
    const { sender, receiver } = pair({ maxSsrcs: 2 });
    const stranger = new SrtpSender(keysFor(profile, 99));
    for (let ssrc = 100; ssrc < 110; ssrc++)
      expect(receiver.open(seal(stranger, rtp(1, ssrc), Buffer.from('x')))).toBe('forged');
    for (const ssrc of [1, 2])
      expect(receiver.open(seal(sender, rtp(1, ssrc), Buffer.from('x')))).not.toBeTypeOf('string');
    expect(receiver.open(seal(sender, rtp(1, 3), Buffer.from('x')))).toBe('too-many-ssrcs');
  });

  test('a retransmission seals to the same bytes, also across the wrap', () => {
    const { sender } = pair();
    const before = seal(sender, rtp(65535), Buffer.from('a'));
    seal(sender, rtp(65536), Buffer.from('b'));
    expect(seal(sender, rtp(65535), Buffer.from('a'))).toEqual(before);
  });

  test('what does not fit is a bug of the caller, and said so', () => {
    const { sender } = pair();
    expect(() => sender.seal(Buffer.alloc(20), 12, Buffer.alloc(100))).toThrow(RangeError);
    expect(() => sender.seal(Buffer.alloc(9000), 12, Buffer.alloc(8000))).toThrow(RangeError);
    expect(() => deriveSessionKeys({ ...keysFor(profile), masterSalt: Buffer.alloc(3) }, 'rtp')).toThrow(
      RangeError,
    );
  });
});
