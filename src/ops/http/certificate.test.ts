import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Refusal } from '../../kit/refusal.ts';
import { keptCertificate, readCertificate } from './certificate.ts';

const NOW = new Date('2027-01-15T12:00:00Z');
const later = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000);
const fresh = (): string => mkdtempSync(join(tmpdir(), 'rb-cert-'));

test('the certificate is made once, with its key, for its owner only', async () => {
  const dir = fresh();
  const first = await keptCertificate(dir, ['localhost', '127.0.0.1', '::1'], NOW);
  expect(first).toMatchObject({ selfSigned: true, fresh: true });
  const again = await keptCertificate(dir, ['127.0.0.1'], later(300));
  expect(again).toEqual({ ...first, fresh: false });
  expect(statSync(join(dir, 'https.pem')).mode & 0o777).toBe(0o600);
  const x509 = new X509Certificate(first.cert);
  expect(x509.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
  expect(new Date(x509.validFrom) <= NOW).toBe(true);
});

test('it is made anew when an address is new, and keeps the old ones', async () => {
  const dir = fresh();
  const home = await keptCertificate(dir, ['localhost', '192.0.2.1'], NOW);
  const work = await keptCertificate(dir, ['localhost', '192.0.2.2'], NOW);
  expect(work.fresh).toBe(true);
  expect(work.cert).not.toBe(home.cert);
  expect((await keptCertificate(dir, ['localhost', '192.0.2.1'], NOW)).cert).toBe(work.cert);
});

test('it is made anew before it expires, and when the file is damaged', async () => {
  const dir = fresh();
  const first = await keptCertificate(dir, ['localhost'], NOW);
  expect((await keptCertificate(dir, ['localhost'], later(380))).fresh).toBe(false);
  const next = await keptCertificate(dir, ['localhost'], later(390));
  expect(next.fresh).toBe(true);
  expect(next.cert).not.toBe(first.cert);
  writeFileSync(join(dir, 'https.pem'), next.cert.slice(0, 200));
  expect((await keptCertificate(dir, ['localhost'], later(390))).fresh).toBe(true);
});

test('two processes that start together end up with one certificate', async () => {
  const dir = fresh();
  const [a, b] = await Promise.all([
    keptCertificate(dir, ['localhost'], NOW),
    keptCertificate(dir, ['localhost'], NOW),
  ]);
  expect(a.cert).toBe(b.cert);
});

test("the operator's certificate is taken as it is, or refused in words", async () => {
  const dir = fresh();
  const { cert: pem } = await keptCertificate(dir, ['localhost'], NOW);
  const file = join(dir, 'https.pem');
  expect(await readCertificate(file, file, NOW)).toEqual({
    cert: pem,
    key: pem,
    selfSigned: false,
    fresh: false,
  });

  const other = join(dir, 'other.pem');
  writeFileSync(
    other,
    generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    }),
  );
  const words = async (cert: string, key: string, now = NOW): Promise<string> => {
    const error = await readCertificate(cert, key, now).catch(e => e);
    expect(error).toBeInstanceOf(Refusal);
    return (error as Refusal).message.replaceAll(`${dir}/`, '');
  };
  expect(await words(join(dir, 'none'), file)).toBe(
    'none (http.certFile) cannot be read (ENOENT): check the name and the permissions.',
  );
  expect(await words(other, other)).toBe('other.pem (http.certFile) holds no certificate in PEM form.');
  expect(await words(file, other)).toBe(
    'other.pem (http.keyFile) is not the private key of https.pem, or needs a passphrase: give the pair that belongs together, unencrypted.',
  );
  expect(await words(file, file, later(400))).toMatch(
    /^The certificate https\.pem expired on .* 2028 GMT: renew it, or remove http\.certFile to use a self-signed one\.$/,
  );
});
