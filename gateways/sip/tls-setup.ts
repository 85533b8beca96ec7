import type { Host } from '../../src/contract.ts';
import { type KeyPair, readPair, readPem, TlsKeys, watchFiles } from '../../src/io/tls-keys.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { SipConfig } from './config.ts';

export interface SipTls {
  /** Undefined: there is no certificate to listen with. */
  readonly own: KeyPair | undefined;
  readonly keys: TlsKeys;
  /** Idempotent. */
  close(): void;
}

/** Reads the certificates and keeps them fresh. Rejects with a Refusal that says what is wrong with one. */
export async function setUpTls(host: Host, { tls }: SipConfig): Promise<SipTls> {
  const keys = new TlsKeys();
  const load = async (): Promise<KeyPair | undefined> => {
    const { certFile, keyFile, caFile } = tls;
    const own =
      certFile !== undefined && keyFile !== undefined
        ? await pairOf(certFile, keyFile, 'sip.tls.certFile')
        : host.http?.certificate?.();
    const byName = new Map<string, KeyPair>();
    for (const s of tls.servers)
      byName.set(s.name, await pairOf(s.certFile, s.keyFile, `sip.tls.servers, ${s.name}`));
    const authorities = caFile === undefined ? undefined : [await authoritiesIn(caFile)];
    usable(() => keys.replace(own, byName, authorities), 'sip.tls');
    return own;
  };
  const own = await load();
  const again = (): void =>
    void load().then(
      () => host.log.info({}, 'SIP over TLS has a new certificate; connections from now on get it'),
      error => host.log.warn({ err: error }, 'the new certificate for SIP is not usable; the old one stays'),
    );
  const files = [tls.certFile, tls.keyFile, tls.caFile, ...tls.servers.flatMap(s => [s.certFile, s.keyFile])];
  const named = files.filter(f => f !== undefined);
  const unwatch = named.length === 0 ? () => {} : watchFiles(named, host.clock, again);
  if (tls.certFile === undefined) host.http?.certificate?.(again);
  return { own, keys, close: unwatch };
}

async function pairOf(certFile: string, keyFile: string, setting: string): Promise<KeyPair> {
  const pair = await readPair(certFile, keyFile).catch(error => {
    throw unusable(setting, `cannot be read (${(error as Error).message})`);
  });
  usable(() => new TlsKeys().replace(pair, new Map(), undefined), setting);
  return pair;
}

const authoritiesIn = (file: string): Promise<string> =>
  readPem(file).catch(error => {
    throw unusable('sip.tls.caFile', `cannot be read (${(error as Error).message})`);
  });

function usable(take: () => void, setting: string): void {
  try {
    take();
  } catch (error) {
    throw unusable(setting, `is no certificate and key that belong together (${(error as Error).message})`);
  }
}

const unusable = (setting: string, why: string): Error =>
  refuse('server', 'bad-certificate', `The certificate of ${setting} ${why}: give PEM files, unencrypted.`);
