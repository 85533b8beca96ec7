import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../kit/refusal.ts';

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

const unusable = (dir: string, error: unknown) =>
  refuse(
    'server',
    'data-dir-unusable',
    `The data directory ${dir} cannot be used (${codeOf(error)}): make it writable, or set dataDir to one that is.`,
  );

/** Makes the directory that keeps the certificate and the admin key. Throws a Refusal. */
export async function openDataDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const probe = join(dir, `.probe-${randomBytes(6).toString('hex')}`);
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (error) {
    throw unusable(dir, error);
  }
}

/** The text of a kept file; undefined when there is none. Throws a Refusal when it cannot be read. */
export async function readKept(dir: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(dir, name), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unusable(dir, error);
  }
}

/**
 * Writes a file only its owner can read, whole or not at all. `first`: when another process has just kept one, that
 * one stays. Returns what is kept now.
 */
export async function keep(dir: string, name: string, text: string, first = false): Promise<string> {
  const file = join(dir, name);
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(fresh, text, { mode: 0o600, flag: 'wx' });
    if (!first) await rename(fresh, file);
    else
      await link(fresh, file).catch(error => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(dir, error);
  } finally {
    await rm(fresh, { force: true }).catch(() => {});
  }
}

const ADMIN_KEY_FILE = 'admin.key';

/** The configured admin key, else the kept one: for commands beside the server. Undefined when there is none. */
export const keptAdminKey = async (dir: string, configured?: string): Promise<string | undefined> =>
  configured ?? (await readKept(dir, ADMIN_KEY_FILE))?.trim();

/** The configured admin key, else the kept one, else a new one that is kept from now on. */
export async function adminKey(
  dir: string,
  configured?: string,
): Promise<{ readonly key: string; readonly file?: string }> {
  if (configured !== undefined) return { key: configured };
  const file = join(dir, ADMIN_KEY_FILE);
  const kept = await readKept(dir, ADMIN_KEY_FILE);
  if (kept !== undefined && kept.trim().length >= 16) {
    await chmod(file, 0o600).catch(() => {}); // another owner's file stays as it is
    return { key: kept.trim(), file };
  }
  const made = `${randomBytes(24).toString('base64url')}\n`;
  // A file that is too short to be a key is replaced; of two processes that start together, the first one's stays.
  return { key: (await keep(dir, ADMIN_KEY_FILE, made, kept === undefined)).trim(), file };
}
