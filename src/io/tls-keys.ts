import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { Clock } from '../contract.ts';

/** A certificate chain and its private key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsMaterial extends Partial<KeyPair> {
  /** Whom to believe that a client is who it says; absent: the authorities of the system. */
  readonly ca?: string[];
}

/** Certificates in use, which may be replaced at any time: handshakes from then on get the new ones. */
export class TlsKeys {
  #own: KeyPair | undefined;
  #byName = new Map<string, SecureContext>();
  #authorities: readonly string[] | undefined;
  #client: SecureContext | undefined;
  readonly #told = new Set<() => void>();

  /** What `createServer` and `setSecureContext` take. */
  get material(): TlsMaterial {
    return { ...this.#own, ...(this.#authorities && { ca: [...this.#authorities] }) };
  }

  /** For connections of our own: shows our certificate, believes the authorities of the system and the given ones. */
  get clientContext(): SecureContext {
    // Those of the system count no more once others are given. Reading them all takes some ms: once.
    const ca = this.#authorities && [...rootCertificates, ...this.#authorities];
    this.#client ??= createSecureContext({ ...this.#own, ...(ca && { ca }), minVersion: 'TLSv1.2' });
    return this.#client;
  }

  /** Throws what OpenSSL says when they do not fit; nothing has changed then. */
  replace(
    own: KeyPair | undefined,
    byName: ReadonlyMap<string, KeyPair>,
    authorities: readonly string[] | undefined,
  ): void {
    const ca = authorities && { ca: [...authorities] };
    createSecureContext({ ...own, ...ca });
    const contexts = new Map<string, SecureContext>();
    for (const [name, pair] of byName)
      contexts.set(name.toLowerCase(), createSecureContext({ ...pair, ...ca, minVersion: 'TLSv1.2' }));
    this.#own = own;
    this.#authorities = authorities;
    this.#byName = contexts;
    this.#client = undefined;
    for (const tell of this.#told) tell();
  }

  /** The certificate for a name a client asks for; undefined: the one for everybody. */
  contextFor(name: string): SecureContext | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** Returns its own undoing. */
  onChange(tell: () => void): () => void {
    this.#told.add(tell);
    return () => void this.#told.delete(tell);
  }
}

/** Looks for changes this often: files are replaced by renaming and by links, which watchers of the system miss. */
const LOOK_MS = 2000;

/** Calls `changed` when one of the files is another than before. Returns its own undoing. */
export function watchFiles(files: readonly string[], clock: Clock, changed: () => unknown): () => void {
  let stopped = false;
  let undo = (): void => {};
  let before: string | undefined;
  const look = async (): Promise<void> => {
    const now = (await Promise.all(files.map(stateOf))).join(' ');
    if (stopped) return;
    if (before !== undefined && now !== before) changed();
    before = now;
    undo = clock.at(clock.now() + LOOK_MS, () => void look());
  };
  void look();
  return () => {
    stopped = true;
    undo();
  };
}

const stateOf = (file: string): Promise<string> =>
  stat(file).then(
    s => `${s.ino}-${s.mtimeMs}-${s.size}`,
    () => 'absent',
  );

/** Rejects with the system's error, which names the file. */
export const readPem = (file: string): Promise<string> => readFile(file, 'utf8');

export const readPair = async (certFile: string, keyFile: string): Promise<KeyPair> => ({
  cert: await readPem(certFile),
  key: await readPem(keyFile),
});
