import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, missing } from './child.ts';
import { freePort } from './ports.ts';

/** True where the program is not installed: the tests that need it are skipped, visibly. */
export const natsMissing = missing('nats-server');

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** Ends it without a word to its clients. */
  kill(): Promise<unknown>;
}

/** A server of our own on a free port, or on `port` again; what it keeps goes with it. */
export async function startNatsServer(port?: number, more: readonly string[] = []): Promise<NatsServer> {
  const at = port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'roombridge-nats-'));
  const child = natsServer(at, ['-js', '-sd', folder, ...more]);
  await child.until(/Server is ready/);
  const kill = async (): Promise<void> => {
    await child.stop('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `nats://127.0.0.1:${at}`, port: at, kill };
}

/** One that is not awaited yet. */
export const natsServer = (port: number, more: readonly string[]): Child =>
  new Child('nats-server', 'nats-server', ['-a', '127.0.0.1', '-p', String(port), ...more]);
