import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { selfSignedCertificate } from '../x509/self-signed.ts';
import { type ClientIdentity, type Forgery, sha256Fingerprint, TestClient } from './client.testing.ts';
import type { DtlsOptions } from './end.ts';
import { DtlsServer } from './server.ts';

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
export const client = makeIdentity();
export const stranger = makeIdentity();

export const junk: string[] = [];
export const makeServer = (change: Partial<DtlsOptions> = {}): DtlsServer => {
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
export const shake = (forgery: Forgery = {}, server: Partial<DtlsOptions> = {}, who = client): TestClient =>
  new TestClient(makeServer(server), who, forgery).run();

/** Changes one message, leaves the others. */
export const only = (
  type: number,
  change: (honest: Buffer, c: TestClient) => Buffer | undefined,
): Forgery => ({
  body: (t, honest, c) => (t === type ? change(honest, c) : honest),
});
export const refusedWith = (c: TestClient, alert: number, text: RegExp): void => {
  expect(c.connected).toBeUndefined();
  expect(c.closed).toMatchObject({ by: 'fault', text: expect.stringMatching(text) });
  expect(c.alerts).toEqual([alert]);
};
