import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority for tests, made by OpenSSL in a folder of its own. */
export class Authority {
  readonly #dir: string;
  readonly file: string;

  constructor(dir: string) {
    mkdirSync(dir, { recursive: true });
    this.#dir = dir;
    this.file = join(dir, 'ca.pem');
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      this.#at('ca.key'),
    ];
    openssl('req', '-x509', ...key, '-out', this.file, '-days', '30', '-subj', '/CN=Test authority');
  }

  get pem(): string {
    return readFileSync(this.file, 'utf8');
  }

  /** `names` as OpenSSL writes them: `DNS:a.example`, `IP:127.0.0.1`, `URI:sip:a.example`. */
  issue(file: string, names: readonly string[], days = 30): Issued {
    const [certFile, keyFile, csr] = [
      this.#at(`${file}.pem`),
      this.#at(`${file}.key`),
      this.#at(`${file}.csr`),
    ];
    const extensions = this.#at(`${file}.ext`);
    writeFileSync(extensions, names.length > 0 ? `subjectAltName=${names.join(',')}\n` : '');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
    openssl('req', ...key, '-out', csr, '-subj', `/CN=${file}`);
    const by = ['-CA', this.file, '-CAkey', this.#at('ca.key'), '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      csr,
      ...by,
      '-out',
      certFile,
      '-days',
      String(days),
      '-extfile',
      extensions,
    );
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
  }

  #at(file: string): string {
    return join(this.#dir, file);
  }
}

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' });
