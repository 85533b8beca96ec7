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

/** A server of our own on a free port, or on `port` again. */
export async function startNatsServer(port?: number, more: readonly string[] = []): Promise<NatsServer> {
  const at = port ?? (await freePort());
  const child = new Child('nats-server', 'nats-server', ['-a', '127.0.0.1', '-p', String(at), ...more]);
  await child.until(/Server is ready/);
  return { url: `nats://127.0.0.1:${at}`, port: at, kill: () => child.stop('SIGKILL') };
}
