import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type SelfSignedAsk, selfSignedCertificate } from './self-signed.ts';

const openssl = spawnSync('openssl', ['version']).status === 0;
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const make = (change: Partial<SelfSignedAsk> = {}) =>
  selfSignedCertificate({
    commonName: 'roombridge',
    dnsNames: ['localhost', 'gw.example.org'],
    ipAddresses: ['127.0.0.1', '::1'],
    from: new Date('2026-01-02T03:04:05Z'),
    days: 30,
    serial: Buffer.from('0102030405060708', 'hex'),
    ...keys,
    ...change,
  });

test('says what was asked, and its own key verifies it', () => {
  const made = make();
  const read = new X509Certificate(made.certPem);
  expect(read.subject).toBe('CN=roombridge');
  expect(read.issuer).toBe('CN=roombridge');
  expect(read.serialNumber).toBe('0102030405060708');
  expect(read.subjectAltName).toBe(
    'DNS:localhost, DNS:gw.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  );
  expect(new Date(read.validFrom)).toEqual(new Date('2026-01-02T03:04:05Z'));
  expect(new Date(read.validTo)).toEqual(new Date('2026-02-01T03:04:05Z'));
  expect(read.ca).toBe(true);
  expect(read.fingerprint256).toBe(made.fingerprintSha256);
  expect(read.raw.equals(made.der)).toBe(true);
  expect(read.verify(keys.publicKey)).toBe(true);
  expect(read.checkPrivateKey(keys.privateKey)).toBe(true);
  expect(read.checkHost('gw.example.org')).toBe('gw.example.org');
  expect(read.checkIP('127.0.0.1')).toBe('127.0.0.1');
});

test('dates from 2050 and awkward serials', () => {
  const late = new X509Certificate(make({ from: new Date('2049-12-31T00:00:00Z'), days: 2 }).der);
  expect(new Date(late.validTo)).toEqual(new Date('2050-01-02T00:00:00Z'));
  expect(new X509Certificate(make({ serial: Buffer.alloc(8) }).der).serialNumber).toBe('01');
  expect(new X509Certificate(make({ serial: Buffer.from('ff00', 'hex') }).der).serialNumber).toBe('7F00');
  expect(new X509Certificate(make({ serial: Buffer.from('0081', 'hex') }).der).serialNumber).toBe('81');
  expect(new X509Certificate(make({ dnsNames: [], ipAddresses: [] }).der).subjectAltName).toBeUndefined();
  expect(() => make({ ipAddresses: ['not one'] })).toThrow('not one is not an IP address');
});

test.skipIf(!openssl)('openssl reads and verifies it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'self-signed-'));
  try {
    const file = join(folder, 'cert.pem');
    writeFileSync(file, make({ from: new Date(Date.now() - 60_000) }).certPem);
    const text = execFileSync('openssl', ['x509', '-noout', '-text', '-in', file]).toString();
    expect(text).toContain('Version: 3');
    expect(text).toContain('ecdsa-with-SHA256');
    expect(text).toContain('CA:TRUE');
    expect(text).toContain('Digital Signature, Certificate Sign');
    expect(text).toContain('TLS Web Server Authentication');
    const verified = execFileSync('openssl', [
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-CAfile',
      file,
      file,
    ]);
    expect(verified.toString()).toContain('OK');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
