import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { helloBody, honestHello, sha256Fingerprint, TestClient } from './client.testing.ts';
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
import { client, junk, makeServer, only, refusedWith, shake } from './world.testing.ts';

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

  test('a repeated ClientHello gets the flight again, but not faster than every 100 ms, 16 times in all', () => {
    const c = new TestClient(makeServer(), client);
    const hello = handshakeMessage(MESSAGE.clientHello, 0, helloBody(c.hello));
    const sendings = (): number => c.outputs.filter(o => o.type === 'send').length;
    c.deliver([c.record(hello, 0), c.record(hello, 0)]);
    expect(sendings()).toBe(1);
    c.now = 100;
    c.deliver([c.record(hello, 0), c.record(hello, 0)]);
    expect(sendings()).toBe(2);
    for (; c.now < 10_000; c.now += 100) c.deliver([c.record(hello, 0)]);
    expect(sendings()).toBe(16);
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
