import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { selfSignedCertificate } from '../../x509/self-signed.ts';
import {
  type ClientIdentity,
  type Forgery,
  helloBody,
  honestHello,
  sha256Fingerprint,
  TestClient,
} from './client.testing.ts';
import { sha256, verifyData } from './keys.ts';
import { type DtlsOptions, DtlsServer } from './server.ts';
import {
  ALERT,
  CONTENT,
  EXTENSION,
  GROUP,
  handshakeMessage,
  MESSAGE,
  SIGNATURE,
  uint,
  vector,
} from './wire.ts';

const makeIdentity = (): ClientIdentity => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = selfSignedCertificate({
    commonName: 'WebRTC',
    dnsNames: [],
    ipAddresses: [],
    from: new Date(0),
    days: 36500,
    serial: Buffer.from([1]),
    ...keys,
  });
  return { certificate: made.der, privateKey: keys.privateKey };
};
const identity = makeIdentity();
const client = makeIdentity();
const stranger = makeIdentity();

const junk: string[] = [];
const makeServer = (change: Partial<DtlsOptions> = {}): DtlsServer => {
  junk.length = 0;
  return new DtlsServer({
    identity,
    fingerprints: [{ algorithm: 'sha-256', value: sha256Fingerprint(client.certificate) }],
    profiles: ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'],
    random: randomBytes,
    junk: reason => void junk.push(reason),
    ...change,
  });
};
const shake = (forgery: Forgery = {}, server: Partial<DtlsOptions> = {}, who = client): TestClient =>
  new TestClient(makeServer(server), who, forgery).run();

/** Changes one message, leaves the others. */
const only = (type: number, change: (honest: Buffer, c: TestClient) => Buffer | undefined): Forgery => ({
  body: (t, honest, c) => (t === type ? change(honest, c) : honest),
});
const refusedWith = (c: TestClient, alert: number, text: RegExp): void => {
  expect(c.connected).toBeUndefined();
  expect(c.closed).toMatchObject({ by: 'fault', text: expect.stringMatching(text) });
  expect(c.alerts).toEqual([alert]);
};

describe('an honest client', () => {
  test.each(['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const)('agrees on keys for %s', profile => {
    const c = shake({}, { profiles: [profile] });
    expect(c.connected).toMatchObject({ client: c.keys!.client, server: c.keys!.server });
    expect(c.connected!.client.profile).toBe(profile);
    expect(c.serverFinished).toBe(true);
    expect(junk).toEqual([]);
  });

  test('with X25519 only', () => {
    const c = shake({
      hello: h => void h.extensions.set(EXTENSION.supportedGroups, vector(2, uint(2, GROUP.x25519))),
    });
    expect(c.connected).toMatchObject({ server: c.keys!.server });
    expect(c.serverFinished).toBe(true);
  });

  test.skipIf(spawnSync('openssl', ['version']).status !== 0)('with an RSA certificate', () => {
    const request = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=x',
      '-days',
      '9',
      '-keyout',
      '-',
    ];
    const pem = execFileSync('openssl', request, { stdio: ['ignore', 'pipe', 'ignore'] });
    const certificate = new X509Certificate(pem).raw;
    const fingerprints = [{ algorithm: 'sha-256', value: sha256Fingerprint(certificate) }] as const;
    const rsa = { certificate, privateKey: createPrivateKey(pem) };
    expect(shake({}, { fingerprints }, rsa).serverFinished).toBe(true);
    // The algorithm must fit the key.
    refusedWith(
      shake(
        only(MESSAGE.certificateVerify, b => Buffer.concat([uint(2, SIGNATURE.ecdsaSha256), b.subarray(2)])),
        { fingerprints },
        rsa,
      ),
      ALERT.decryptError,
      /could not prove/,
    );
  });

  test('in fragments of one byte and 100 bytes, backwards, twice, and overlapping', () => {
    const pieces = (message: Buffer, size: number, overlap: number): Buffer[] => {
      const length = message.readUIntBE(1, 3);
      const out: Buffer[] = [];
      for (let at = 0; at < length; at += size) {
        const from = Math.max(0, at - overlap);
        const part = message.subarray(12 + from, 12 + Math.min(length, at + size));
        out.push(Buffer.concat([message.subarray(0, 6), uint(3, from), uint(3, part.length), part]));
      }
      return out;
    };
    for (const [size, overlap] of [
      [1, 0],
      [100, 0],
      [100, 37],
    ] as const) {
      const c = shake({
        cut: (messages, me) =>
          [...messages, ...messages]
            .flatMap(m => pieces(m.message, size, overlap).map(p => me.record(p, m.epoch)))
            .reverse(),
      });
      expect(c.serverFinished, `${size}`).toBe(true);
    }
  });

  test('whose Finished overtakes everything else', () => {
    const c = shake({ cut: (messages, me) => messages.map(m => me.record(m.message, m.epoch)).reverse() });
    expect(c.serverFinished).toBe(true);
  });

  test('whose whole flight comes in one datagram with ChangeCipherSpec', () => {
    const c = shake({
      cut: (messages, me) => [
        Buffer.concat(
          messages.flatMap(m =>
            m.epoch === 1
              ? [me.record(Buffer.from([1]), 0, CONTENT.changeCipherSpec), me.record(m.message, 1)]
              : [me.record(m.message, 0)],
          ),
        ),
      ],
    });
    expect(c.serverFinished).toBe(true);
  });
});

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
      finished((_, c) => verifyData(c.master, 'server', sha256(...c.transcript))),
      ALERT.decryptError,
      /Finished/,
    );
    refusedWith(
      finished((_, c) => verifyData(c.master, 'client', sha256(...c.transcript.slice(0, -1)))),
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

describe('records', () => {
  test('of other epochs, forged, replayed, or cut are dropped and end nothing', () => {
    const c = shake();
    const sealed = c.record(Buffer.from([1, 0]), 1, CONTENT.alert);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const forged = Buffer.from(sealed);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      c.deliver([forged]);
    }
    for (let n = 0; n < sealed.length; n++) c.deliver([sealed.subarray(0, n)]);
    expect(c.closed).toBeUndefined();
    expect(new Set(junk)).toEqual(new Set(['dtls-forged', 'dtls-epoch', 'dtls-plain', 'dtls-record']));
    const data = c.record(Buffer.from('hello'), 1, CONTENT.applicationData);
    junk.length = 0;
    c.deliver([data, data]);
    expect(junk).toEqual(['dtls-content', 'dtls-forged']);
  });

  test('alerts in clear end nothing, before or after', () => {
    const before = new TestClient(makeServer(), client);
    before.deliver([before.record(Buffer.from([2, 48]), 0, CONTENT.alert)]);
    expect(before.server.state).toBe('hello');
    expect(before.server.ignoredAlert).toBe(48);
    const after = shake();
    after.deliver([after.record(Buffer.from([2, 48]), 0, CONTENT.alert)]);
    expect(after.server.state).toBe('connected');
  });

  test('sealed alerts end it: close_notify, a fatal one, but no warning', () => {
    const warned = shake();
    warned.deliver([warned.record(Buffer.from([1, 90]), 1, CONTENT.alert)]);
    expect(warned.closed).toBeUndefined();
    warned.deliver([warned.record(Buffer.from([1, 0]), 1, CONTENT.alert)]);
    expect(warned.closed).toMatchObject({ by: 'close-notify' });
    const fatal = shake();
    fatal.deliver([fatal.record(Buffer.from([2, 80]), 1, CONTENT.alert)]);
    expect(fatal.closed).toMatchObject({ by: 'alert', text: expect.stringContaining('80') });
  });

  test('a later ClientHello is ignored: in clear, sealed, as renegotiation', () => {
    const c = shake();
    const again = (seq: number) => handshakeMessage(MESSAGE.clientHello, seq, helloBody(honestHello()));
    const before = c.outputs.length;
    c.now = 10_000;
    for (const seq of [0, 5]) c.deliver([c.record(again(seq), 0), c.record(again(seq), 1)]);
    expect(c.outputs.length).toBe(before);
    expect(c.server.state).toBe('connected');
    expect(junk).toEqual(['dtls-plain', 'dtls-repeated', 'dtls-plain', 'dtls-renegotiation']);
  });

  test('close says close_notify, sealed, once', () => {
    const c = shake();
    c.server.handle({ type: 'close' }, 0);
    c.server.handle({ type: 'close' }, 0);
    const [alert, ...more] = c.records(c.drain());
    expect(c.ciphers!.server.open(alert!)).toEqual(Buffer.from([1, 0]));
    expect(more).toEqual([]);
    expect(c.closed).toMatchObject({ by: 'us' });
  });
});

describe('loss', () => {
  test('the flight is sent again after 400 ms, 800 ms …, at most 16 times, with fresh record numbers', () => {
    const c = new TestClient(makeServer(), client);
    c.deliver([c.record(handshakeMessage(MESSAGE.clientHello, 0, helloBody(c.hello)), 0)]);
    const at: number[] = [];
    while (c.server.deadline < Infinity) {
      c.now = c.server.deadline;
      at.push(c.now);
      c.server.handle({ type: 'tick' }, c.now);
      c.drain();
    }
    expect(at.slice(0, 6)).toEqual([400, 1200, 2800, 6000, 12400, 18800]);
    expect(at.length).toBe(15);
    const numbers = c.records().map(r => r.seq);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(c.connected).toBeUndefined();
  });

  test('a repeated ClientHello gets the flight again, but not faster than every 100 ms', () => {
    const c = new TestClient(makeServer(), client);
    const hello = handshakeMessage(MESSAGE.clientHello, 0, helloBody(c.hello));
    const sendings = (): number => c.outputs.filter(o => o.type === 'send').length;
    c.deliver([c.record(hello, 0), c.record(hello, 0)]);
    expect(sendings()).toBe(1);
    c.now = 100;
    c.deliver([c.record(hello, 0), c.record(hello, 0)]);
    expect(sendings()).toBe(2);
  });

  test('a repeated Finished gets the last flight again; nothing is due by itself', () => {
    const c = shake();
    expect(c.server.deadline).toBe(Infinity);
    const finished = handshakeMessage(MESSAGE.finished, 4, Buffer.alloc(12));
    c.now = 500;
    const before = c.outputs.length;
    c.deliver([c.record(finished, 1)]);
    expect(c.outputs.slice(before).map(o => o.type)).toEqual(['send']);
    expect(c.outputs.filter(o => o.type === 'connected').length).toBe(1);
  });
});
