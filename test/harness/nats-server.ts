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

export interface NatsCluster {
  /** Of all three, separated by commas. */
  readonly url: string;
  readonly servers: readonly NatsServer[];
  close(): Promise<void>;
}

/** Three servers that keep things together (Raft). Each has a name: `n1`, `n2`, `n3`. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const ports = await Promise.all([0, 1, 2].map(freePort));
  // `freePort` gives the next port, too: there the servers reach each other.
  const routes = ports.map(port => `nats://127.0.0.1:${port + 1}`).join(',');
  const servers = await Promise.all(
    ports.map((port, n) =>
      startNatsServer(port, [
        ...['-n', `n${n + 1}`, '--cluster_name', 'test', '--cluster', `nats://127.0.0.1:${port + 1}`],
        ...['--routes', routes],
      ]),
    ),
  );
  return {
    url: servers.map(s => s.url).join(','),
    servers,
    close: async () => void (await Promise.all(servers.map(s => s.kill()))),
  };
}
