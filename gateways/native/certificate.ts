import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import type { Host } from '../../src/contract.ts';
import { type KeyPair, readPair, TlsKeys, watchFiles } from '../../src/io/tls-keys.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { selfSignedCertificate } from '../../src/proto/x509/self-signed.ts';
import type { NativeConfig } from './config.ts';

const DAY_MS = 86_400_000;
const DAYS = 397;

export interface NativeCertificate {
  readonly keys: TlsKeys;
  readonly pair: KeyPair;
  /** SHA-256, `AA:BB:…`: what a client may pin. */
  readonly fingerprint: string;
  /** Idempotent. */
  close(): void;
}

/** The operator's, that of the web server, or one of our own. Rejects with a Refusal that says what is wrong with it. */
export async function openCertificate(host: Host, config: NativeConfig): Promise<NativeCertificate> {
  const { certFile, keyFile } = config;
  const keys = new TlsKeys();
  const own = certFile === undefined && host.http?.certificate === undefined ? selfMade(host) : undefined;
  const load = async (): Promise<KeyPair> => {
    const pair =
      own ??
      (certFile !== undefined && keyFile !== undefined
        ? await readPair(certFile, keyFile)
        : host.http!.certificate!());
    keys.replace(pair, new Map(), undefined);
    return pair;
  };
  const pair = await load().catch(error => {
    throw refuse(
      'server',
      'bad-certificate',
      `The certificate of native.certFile is not usable (${faultOf(error)}): give PEM files that can be read and belong together, unencrypted.`,
    );
  });
  const again = (): void =>
    void load().then(
      () => host.log.info({}, 'native members get a new certificate from now on'),
      error => host.log.warn({ err: error }, 'the new certificate for native members is not usable'),
    );
  const files = [certFile, keyFile].filter(f => f !== undefined);
  if (files.length === 0) host.http?.certificate?.(again);
  return {
    keys,
    pair,
    fingerprint: new X509Certificate(pair.cert).fingerprint256,
    close: files.length > 0 ? watchFiles(files, host.clock, again) : () => {},
  };
}

/** An agent without the web server beside it: new at every start, so clients need `insecure` or files. */
function selfMade(host: Host): KeyPair {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = selfSignedCertificate({
    commonName: 'Roombridge',
    dnsNames: [],
    ipAddresses: [host.advertisedAddress()].filter(a => /^[0-9.]+$/.test(a)),
    from: new Date(Date.now() - DAY_MS),
    days: DAYS,
    serial: randomBytes(16),
    ...keys,
  });
  const key = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return { cert: made.certPem, key };
}

/** `ENOENT` says it; Node's sentence around it repeats the file. */
const faultOf = (error: unknown): string => {
  const { code, path, message } = error as NodeJS.ErrnoException;
  return path === undefined ? message : `${path}: ${code}`;
};
