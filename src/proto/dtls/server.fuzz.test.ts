import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { selfSignedCertificate } from '../x509/self-signed.ts';
import { sha256Fingerprint, TestClient } from './client.testing.ts';
import { DtlsClient } from './client.ts';
import type { DtlsOptions } from './end.ts';
import { TestServer } from './server.testing.ts';
import { DtlsServer } from './server.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const certificate = selfSignedCertificate({
  commonName: 'x',
  dnsNames: [],
  ipAddresses: [],
  from: new Date(0),
  days: 9,
  serial: Buffer.from([1]),
  ...keys,
}).der;
const identity = { certificate, privateKey: keys.privateKey };
const options: DtlsOptions = {
  identity,
  fingerprints: [{ algorithm: 'sha-256', value: sha256Fingerprint(certificate) }],
  profiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
  random: randomBytes,
  junk: () => {},
};
const makeServer = (): DtlsServer => new DtlsServer(options);
const makeClient = (): DtlsClient => {
  const client = new DtlsClient(options);
  client.handle({ type: 'start' }, 0);
  return client;
};

test('any datagrams: never a throw, never connected', () => {
  const record = fc
    .tuple(fc.constantFrom(20, 21, 22, 23, 63), fc.nat(2), fc.nat(9), fc.uint8Array({ maxLength: 300 }))
    .map(([type, epoch, seq, body]) =>
      Buffer.concat([
        Buffer.from([type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, seq, body.length >> 8, body.length & 255]),
        body,
      ]),
    );
  const datagram = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.array(record, { maxLength: 4 }).map(r => Buffer.concat(r)),
  );
  fc.assert(
    fc.property(fc.array(datagram, { maxLength: 12 }), datagrams => {
      for (const end of [makeServer(), makeClient()]) {
        for (const [i, bytes] of datagrams.entries())
          end.handle({ type: 'datagram', bytes: Buffer.from(bytes) }, i);
        expect(end.state).not.toBe('connected');
      }
    }),
    { numRuns },
  );
});

test('an honest handshake with any byte of any clear record changed never connects', () => {
  fc.assert(
    fc.property(fc.nat(3), fc.nat(2000), fc.integer({ min: 1, max: 255 }), (which, at, xor) => {
      let changed = false;
      const client = new TestClient(makeServer(), identity, {
        cut: (messages, me) =>
          messages.map(m => {
            const seq = m.message.readUInt16BE(4);
            if (seq !== which || m.epoch !== 0) return me.record(m.message, m.epoch);
            const forged = Buffer.from(m.message);
            forged[at % forged.length]! ^= xor;
            changed = true;
            return me.record(forged, 0);
          }),
      }).run();
      expect(client.connected === undefined).toBe(changed);
    }),
    { numRuns: Math.min(numRuns, 300) },
  );
});

test('a server with any byte of any message changed is never believed', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(2, 11, 12, 13, 14, 20),
      fc.nat(2000),
      fc.integer({ min: 1, max: 255 }),
      (which, at, xor) => {
        let changed = false;
        const server = new TestServer(new DtlsClient(options), identity, {
          // The transcript keeps what was sent: only the checks of the client can tell.
          body: (type, honest) => {
            if (type !== which || honest.length === 0) return honest;
            const forged = Buffer.from(honest);
            forged[at % forged.length]! ^= xor;
            changed = true;
            return forged;
          },
        });
        server.run();
        // What may differ: the session id's place is empty, authorities and types of CertificateRequest are ours to read.
        if (which !== 13) expect(server.connected === undefined).toBe(changed);
      },
    ),
    { numRuns: Math.min(numRuns, 300) },
  );
});
