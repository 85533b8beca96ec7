import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { refuse } from '../../kit/refusal.ts';
import { selfSignedCertificate } from '../../proto/x509/self-signed.ts';
import { keep, readKept } from '../data-dir.ts';

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly selfSigned: boolean;
  /** Made just now: browsers will ask again. */
  readonly fresh: boolean;
}

const KEPT = 'https.pem';
const DAYS = 397;
const RENEW_BEFORE_MS = 14 * 86_400_000;
const MAX_NAMES = 32;

/** The operator's certificate. Throws a Refusal that says what is wrong with it. */
export async function readCertificate(
  certFile: string,
  keyFile: string,
  now: Date,
): Promise<ServerCertificate> {
  const cert = await readPem(certFile, 'http.certFile');
  const key = await readPem(keyFile, 'http.keyFile');
  const x509 = parse(cert);
  if (x509 === undefined)
    throw refuse(
      'server',
      'bad-certificate',
      `${certFile} (http.certFile) holds no certificate in PEM form.`,
    );
  if (!matches(x509, key))
    throw refuse(
      'server',
      'bad-certificate',
      `${keyFile} (http.keyFile) is not the private key of ${certFile}, or needs a passphrase: give the pair that belongs together, unencrypted.`,
    );
  if (new Date(x509.validTo) <= now)
    throw refuse(
      'server',
      'bad-certificate',
      `The certificate ${certFile} expired on ${x509.validTo}: renew it, or remove http.certFile to use a self-signed one.`,
    );
  return { cert, key, selfSigned: false, fresh: false };
}

async function readPem(file: string, key: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw refuse(
      'server',
      'bad-certificate',
      `${file} (${key}) cannot be read (${(error as NodeJS.ErrnoException).code}): check the name and the permissions.`,
    );
  }
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function matches(cert: X509Certificate, keyPem: string): boolean {
  try {
    return cert.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

const covers = (cert: X509Certificate, name: string): boolean =>
  (isIP(name) ? cert.checkIP(name) : cert.checkHost(name)) !== undefined;

/** The names in a certificate, as Node writes them: `DNS:localhost, IP Address:127.0.0.1`. */
const namesOf = (cert: X509Certificate): string[] =>
  (cert.subjectAltName ?? '').split(', ').map(n => n.replace(/^(DNS|IP Address):/, ''));

/**
 * The self-signed certificate kept in `dataDir`, made anew when it is about to expire or lacks one of `names`. A new
 * one has the names of the old one too, so that a laptop that moves between networks settles.
 */
export async function keptCertificate(
  dataDir: string,
  names: readonly string[],
  now: Date,
): Promise<ServerCertificate> {
  const pem = await readKept(dataDir, KEPT);
  const old = pem === undefined ? undefined : parse(pem);
  const good = old !== undefined && pem !== undefined && matches(old, pem);
  if (
    good &&
    new Date(old.validTo).getTime() > now.getTime() + RENEW_BEFORE_MS &&
    names.every(n => covers(old, n))
  )
    return { cert: pem, key: pem, selfSigned: true, fresh: false };

  const all = [...new Set([...names, ...(good ? namesOf(old) : [])])].slice(0, MAX_NAMES);
  const made = makeCertificate(all, now);
  const kept = await keep(dataDir, KEPT, made, pem === undefined);
  return { cert: kept, key: kept, selfSigned: true, fresh: true };
}

/** Certificate and key in one PEM text, so that a file of it is never half new. */
function makeCertificate(names: readonly string[], now: Date): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const { certPem } = selfSignedCertificate({
    commonName: 'Roombridge',
    dnsNames: names.filter(n => isIP(n) === 0 && /^[a-z0-9.-]+$/i.test(n)),
    ipAddresses: names.filter(n => isIP(n) !== 0),
    from: new Date(now.getTime() - 3_600_000), // clocks of others may be behind
    days: DAYS,
    serial: randomBytes(16),
    privateKey,
    publicKey,
  });
  return certPem + privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
}
