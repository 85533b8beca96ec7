/** A client that is right in everything but one field: each test proves that precisely this one is looked at. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes, sign, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type Forgery,
  helloBody,
  honestHello,
  sha256Fingerprint,
  suite,
  TestClient,
} from './client.testing.ts';
import { verifyData } from './keys.ts';
import { ALERT, EXTENSION, GROUP, handshakeMessage, MESSAGE, SIGNATURE, uint, vector } from './wire.ts';
import { client, junk, makeServer, only, refusedWith, shake, stranger } from './world.testing.ts';

const openssl = spawnSync('openssl', ['version']).status === 0;

describe('every forged field is refused, and only it is wrong', () => {
  const hello = (change: NonNullable<Forgery['hello']>): TestClient => shake({ hello: change });
  const without = (type: number) => hello(h => void h.extensions.delete(type));

  test('DTLS 1.0, and 1.3 alone', () => {
    refusedWith(
      hello(h => void (h.version = 0xfeff)),
      ALERT.protocolVersion,
      /DTLS 1.2/,
    );
    refusedWith(
      hello(h => void (h.version = 0x0303)),
      ALERT.protocolVersion,
      /DTLS 1.2/,
    );
    refusedWith(
      hello(h => void h.extensions.set(EXTENSION.supportedVersions, vector(1, uint(2, 0xfefc)))),
      ALERT.protocolVersion,
      /DTLS 1.2/,
    );
  });

  test('no common suite: none, weaker ones, RSA ones', () => {
    for (const suites of [[], [0xc009, 0xc02f, 0x009c, 0x00ff], [0x0000]])
      refusedWith(
        hello(h => void (h.suites = suites)),
        ALERT.handshakeFailure,
        /AES_128_GCM/,
      );
  });

  test('missing extensions', () => {
    refusedWith(without(EXTENSION.useSrtp), ALERT.handshakeFailure, /use_srtp/);
    refusedWith(without(EXTENSION.extendedMasterSecret), ALERT.handshakeFailure, /extended_master_secret/);
    refusedWith(without(EXTENSION.signatureAlgorithms), ALERT.handshakeFailure, /signature_algorithms/);
    refusedWith(without(EXTENSION.supportedGroups), ALERT.handshakeFailure, /supported_groups/);
  });

  test('extensions that offer nothing of ours, or lie about their lengths', () => {
    const put = (type: number, data: Buffer) => hello(h => void h.extensions.set(type, data));
    refusedWith(
      put(EXTENSION.useSrtp, Buffer.concat([vector(2, uint(2, 2)), vector(1)])),
      ALERT.handshakeFailure,
      /SRTP profiles/,
    );
    refusedWith(put(EXTENSION.useSrtp, vector(2, uint(2, 1))), ALERT.decodeError, /ends too early/);
    refusedWith(
      put(EXTENSION.useSrtp, Buffer.concat([vector(2, uint(2, 1)), vector(1), uint(1, 0)])),
      ALERT.decodeError,
      /left over/,
    );
    refusedWith(put(EXTENSION.supportedGroups, vector(2, uint(2, 24))), ALERT.handshakeFailure, /P-256/);
    refusedWith(put(EXTENSION.supportedGroups, Buffer.from([0, 9, 0])), ALERT.decodeError, /too early/);
    refusedWith(
      put(EXTENSION.supportedGroups, Buffer.from([0, 3, 0, 23, 0])),
      ALERT.decodeError,
      /too early/,
    );
    refusedWith(
      put(EXTENSION.signatureAlgorithms, vector(2, uint(2, 0x0401))),
      ALERT.handshakeFailure,
      /ECDSA/,
    );
    refusedWith(
      put(EXTENSION.pointFormats, vector(1, uint(1, 1))),
      ALERT.illegalParameter,
      /ec_point_formats/,
    );
    refusedWith(
      put(EXTENSION.extendedMasterSecret, uint(1, 0)),
      ALERT.illegalParameter,
      /extended_master_secret/,
    );
    refusedWith(
      put(EXTENSION.renegotiationInfo, vector(1, Buffer.alloc(12))),
      ALERT.handshakeFailure,
      /renegotiate/,
    );
    refusedWith(
      hello(h => void (h.compressions = [1])),
      ALERT.illegalParameter,
      /null compression/,
    );
    refusedWith(
      hello(h => void (h.tail = Buffer.from([0]))),
      ALERT.decodeError,
      /left over/,
    );
    const c = new TestClient(makeServer(), client);
    c.hello.extensions.set(0xfff0, Buffer.alloc(0));
    const twice = helloBody(c.hello);
    twice.writeUInt16BE(EXTENSION.useSrtp, twice.length - 4);
    c.deliver([c.record(handshakeMessage(MESSAGE.clientHello, 0, twice), 0)]);
    refusedWith(c, ALERT.decodeError, /twice/);
  });

  test('a certificate that is not the announced one, though its owner proves it', () => {
    refusedWith(shake({}, {}, stranger), ALERT.badCertificate, /fingerprint/);
    refusedWith(shake({}, { fingerprints: [] }), ALERT.badCertificate, /fingerprint/);
    const sha512 = [{ algorithm: 'sha-512', value: sha256Fingerprint(client.certificate) }] as const;
    refusedWith(shake({}, { fingerprints: sha512 }), ALERT.badCertificate, /fingerprint/);
  });

  test('no certificate, half a certificate, none that can be read', () => {
    const certificate = (change: (b: Buffer) => Buffer) => shake(only(MESSAGE.certificate, change));
    refusedWith(
      certificate(() => vector(3)),
      ALERT.handshakeFailure,
      /no certificate/,
    );
    refusedWith(
      certificate(b => b.subarray(0, -1)),
      ALERT.decodeError,
      /too early/,
    );
    refusedWith(
      certificate(b => Buffer.concat([b, uint(1, 0)])),
      ALERT.decodeError,
      /left over/,
    );
    const nonsense = Buffer.from('not a certificate');
    const value = sha256Fingerprint(nonsense);
    refusedWith(
      shake(
        only(MESSAGE.certificate, () => vector(3, vector(3, nonsense))),
        { fingerprints: [{ algorithm: 'sha-256', value }] },
      ),
      ALERT.badCertificate,
      /cannot be read/,
    );
  });

  test.skipIf(!openssl)('a certificate with a weak or a strange key', () => {
    for (const kind of [['rsa:1024'], ['ed25519']]) {
      const request = [
        'req',
        '-x509',
        '-nodes',
        '-subj',
        '/CN=x',
        '-days',
        '9',
        '-keyout',
        '-',
        '-newkey',
        ...kind,
      ];
      const pem = execFileSync('openssl', request, { stdio: ['ignore', 'pipe', 'ignore'] });
      const certificate = new X509Certificate(pem).raw;
      const fingerprints = [{ algorithm: 'sha-256', value: sha256Fingerprint(certificate) }] as const;
      refusedWith(
        shake(
          only(MESSAGE.certificate, () => vector(3, vector(3, certificate))),
          { fingerprints },
        ),
        ALERT.unsupportedCertificate,
        /neither ECDSA nor RSA/,
      );
    }
  });

  test('a public value that is no point of the curve', () => {
    const exchange = (change: (b: Buffer) => Buffer) => shake(only(MESSAGE.clientKeyExchange, change));
    const off = (b: Buffer): Buffer => {
      const forged = Buffer.from(b);
      forged[40]! ^= 1;
      return forged;
    };
    refusedWith(exchange(off), ALERT.illegalParameter, /no valid public key/);
    refusedWith(
      exchange(() => vector(1, Buffer.concat([Buffer.from([4]), Buffer.alloc(64)]))),
      ALERT.illegalParameter,
      /public key/,
    );
    refusedWith(
      exchange(() => vector(1)),
      ALERT.illegalParameter,
      /public key/,
    );
    refusedWith(
      exchange(b => Buffer.concat([b, uint(1, 0)])),
      ALERT.decodeError,
      /left over/,
    );
    const compressed = (b: Buffer): Buffer =>
      vector(1, Buffer.concat([Buffer.from([2 + (b[65]! & 1)]), b.subarray(2, 34)]));
    refusedWith(exchange(compressed), ALERT.illegalParameter, /public key/);
    const x25519: Forgery['hello'] = h =>
      void h.extensions.set(EXTENSION.supportedGroups, vector(2, uint(2, GROUP.x25519)));
    for (const point of [Buffer.alloc(32), Buffer.alloc(31, 9)]) // of small order; too short
      refusedWith(
        shake({ hello: x25519, ...only(MESSAGE.clientKeyExchange, () => vector(1, point)) }),
        ALERT.illegalParameter,
        /public key/,
      );
  });

  test('CertificateVerify by another key, over other words, by another algorithm, or not at all', () => {
    const proof = (change: (b: Buffer, c: TestClient) => Buffer | undefined) =>
      shake(only(MESSAGE.certificateVerify, change));
    const signed = (b: Buffer): Buffer => Buffer.concat([uint(2, SIGNATURE.ecdsaSha256), vector(2, b)]);
    const honest = (c: TestClient): Buffer => Buffer.concat(c.transcript);
    refusedWith(
      proof((_, c) => signed(sign('sha256', honest(c), stranger.privateKey))),
      ALERT.decryptError,
      /could not prove/,
    );
    refusedWith(
      proof((_, c) => signed(sign('sha256', honest(c).subarray(1), client.privateKey))),
      ALERT.decryptError,
      /prove/,
    );
    refusedWith(
      proof((_, c) => signed(sign('sha1', honest(c), client.privateKey))),
      ALERT.decryptError,
      /prove/,
    );
    refusedWith(
      proof(() => signed(Buffer.alloc(0))),
      ALERT.decryptError,
      /prove/,
    );
    refusedWith(
      proof(() => signed(randomBytes(70))),
      ALERT.decryptError,
      /prove/,
    );
    for (const algorithm of [SIGNATURE.rsaPkcs1Sha256, SIGNATURE.rsaPssSha256, 0x0203, 0])
      refusedWith(
        proof(b => Buffer.concat([uint(2, algorithm), b.subarray(2)])),
        ALERT.decryptError,
        /prove/,
      );
    refusedWith(
      proof(b => b.subarray(0, -1)),
      ALERT.decodeError,
      /too early/,
    );
    refusedWith(
      proof(b => Buffer.concat([b, uint(1, 0)])),
      ALERT.decodeError,
      /left over/,
    );
    const skipped = proof(() => undefined);
    expect(skipped.connected).toBeUndefined();
    expect(skipped.server.state).toBe('proof');
  });

  test('a Finished of other words, of the server, of no length, in clear', () => {
    const finished = (change: (b: Buffer, c: TestClient) => Buffer) => shake(only(MESSAGE.finished, change));
    const flipped = (b: Buffer): Buffer => Buffer.concat([b.subarray(0, 11), Buffer.from([b[11]! ^ 1])]);
    refusedWith(finished(flipped), ALERT.decryptError, /Finished/);
    refusedWith(
      finished((_, c) => verifyData(suite, c.master, 'server', c.digest())),
      ALERT.decryptError,
      /Finished/,
    );
    refusedWith(
      finished((_, c) => verifyData(suite, c.master, 'client', c.digest(1))),
      ALERT.decryptError,
      /Finished/,
    );
    for (const b of [Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(13)])
      refusedWith(
        finished(() => b),
        ALERT.decryptError,
        /Finished/,
      );
    const clear: Forgery = { epoch: (type, honest) => (type === MESSAGE.finished ? 0 : honest) };
    refusedWith(shake(clear), ALERT.unexpectedMessage, /epoch 0/);
  });

  test('messages left out or out of order', () => {
    refusedWith(shake(only(MESSAGE.certificate, () => undefined)), ALERT.unexpectedMessage, /message 16/);
    refusedWith(
      shake(only(MESSAGE.clientKeyExchange, () => undefined)),
      ALERT.unexpectedMessage,
      /message 15/,
    );
    for (const type of [2, 11, 15, 16, 20, 99]) {
      const c = new TestClient(makeServer(), client);
      c.deliver([c.record(handshakeMessage(type, 0, Buffer.alloc(40)), 0)]);
      refusedWith(c, ALERT.unexpectedMessage, /hello was due/);
    }
  });

  test('a Finished half sealed, half in clear', () => {
    const half = (message: Buffer, from: number, to: number): Buffer =>
      Buffer.concat([
        message.subarray(0, 6),
        uint(3, from),
        uint(3, to - from),
        message.subarray(12 + from, 12 + to),
      ]);
    const c = shake({
      cut: (messages, me) =>
        messages.flatMap(({ message, epoch }) =>
          epoch === 0
            ? [me.record(message, 0)]
            : [me.record(half(message, 0, 6), 1), me.record(half(message, 6, 12), 0)],
        ),
    });
    expect(c.connected).toBeUndefined();
    expect(junk).toEqual(['dtls-fragment-mismatch']);
  });

  test('a sealed Certificate: wrong epoch for its place', () => {
    const c = shake({ epoch: (type, honest) => (type === MESSAGE.certificateVerify ? 1 : honest) });
    expect(c.connected).toBeUndefined();
    expect(c.server.state).toBe('proof');
  });
});

describe('fragments that lie', () => {
  const start = () => {
    const c = new TestClient(makeServer(), client);
    const message = handshakeMessage(MESSAGE.clientHello, 0, helloBody(honestHello()));
    const fragment = (offset: number, length: number, total = message.length - 12, type = 1): Buffer =>
      Buffer.concat([
        uint(1, type),
        uint(3, total),
        uint(2, 0),
        uint(3, offset),
        uint(3, length),
        message.subarray(12 + offset, 12 + offset + length),
      ]);
    return { c, message, fragment, total: message.length - 12 };
  };

  test('beyond the message, beyond the record, too long, too far ahead', () => {
    const { c, fragment, total } = start();
    for (const f of [
      fragment(10, total - 10, total - 1),
      fragment(0, total).subarray(0, -1),
      fragment(0, 0).subarray(0, 11),
    ])
      c.deliver([c.record(f, 0)]);
    expect(junk).toEqual(['dtls-fragment', 'dtls-fragment', 'dtls-fragment']);
    c.deliver([c.record(Buffer.concat([uint(1, 1), uint(3, 9000), uint(2, 0), uint(3, 0), uint(3, 0)]), 0)]);
    c.deliver([c.record(Buffer.concat([uint(1, 1), uint(3, 9), uint(2, 5), uint(3, 0), uint(3, 0)]), 0)]);
    expect(junk.slice(3)).toEqual(['dtls-fragment-too-long', 'dtls-fragment-ahead']);
    expect(c.server.state).toBe('hello');
  });

  test('of another type or total length than the first; holes never count as complete', () => {
    const { c, fragment, total } = start();
    c.deliver([c.record(fragment(0, 20), 0)]);
    c.deliver([c.record(fragment(20, 10, total + 1), 0), c.record(fragment(20, 10, total, 11), 0)]);
    expect(junk).toEqual(['dtls-fragment-mismatch', 'dtls-fragment-mismatch']);
    for (let i = 0; i < 50; i++)
      c.deliver([c.record(fragment(0, 20), 0), c.record(fragment(30, total - 30), 0)]);
    expect(c.server.state).toBe('hello');
    c.deliver([c.record(fragment(15, 20), 0)]);
    expect(c.server.state).toBe('certificate');
  });

  test('bytes that came first stay: an overlap cannot change them', () => {
    const { c, fragment, total } = start();
    const lie = fragment(0, 40);
    lie.fill(0xff, 12);
    c.deliver([c.record(fragment(0, 40), 0), c.record(lie, 0), c.record(fragment(40, total - 40), 0)]);
    expect(c.server.state).toBe('certificate');
  });
});
