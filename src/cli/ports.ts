import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { dotted, isTree, paths, type Shape, valueAt } from '../config/shape.ts';
import type { Refusal } from '../kit/refusal.ts';
import { listenRefusal } from '../ops/http/listener.ts';

export interface ConfiguredPort {
  readonly key: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly address: string | undefined;
}

/**
 * The ports a config makes the process listen on: keys marked `listens`, and any other named `port` or `…Port`,
 * which is looked at for both protocols because nothing says which. `listens: 'none'` marks a port of somebody else.
 */
export function configuredPorts(shape: Shape, shown: unknown): ConfiguredPort[] {
  const found: ConfiguredPort[] = [];
  for (const { path, shape: at } of paths(shape)) {
    const key = String(path.at(-1));
    const port = valueAt(shown, path);
    const isPort = at.listens !== undefined || (/^port$|Port$/.test(key) && at.type === 'integer');
    if (!isPort || typeof port !== 'number' || port === 0) continue;
    const section = valueAt(shown, path.slice(0, -1));
    const address = isTree(section) && typeof section.address === 'string' ? section.address : undefined;
    for (const protocol of ['udp', 'tcp'] as const)
      if ((at.listens ?? 'udp+tcp').includes(protocol))
        found.push({ key: dotted(path), port, protocol, address });
  }
  return found;
}

/** Two keys that ask for one port, as sentences. */
export function portClashes(ports: readonly ConfiguredPort[]): string[] {
  return ports.flatMap((p, i) => {
    const other = ports
      .slice(0, i)
      .find(o => o.port === p.port && o.protocol === p.protocol && sameAddress(o, p));
    return other
      ? [`${other.key} and ${p.key} are both port ${p.port}/${p.protocol}: give one of them another port.`]
      : [];
  });
}

const sameAddress = (a: ConfiguredPort, b: ConfiguredPort): boolean =>
  a.address === b.address || a.address === undefined || b.address === undefined;

/** Opens the port and closes it again; what stood in the way, if anything. */
export const tryPort = (p: ConfiguredPort): Promise<Refusal | undefined> =>
  p.protocol === 'tcp' ? tryTcp(p) : tryUdp(p);

const tryTcp = (p: ConfiguredPort): Promise<Refusal | undefined> =>
  new Promise(done => {
    const server = createServer();
    server.once('error', e => done(listenRefusal(e, p.port, 'tcp', p.key)));
    server.listen({ port: p.port, ...(p.address !== undefined && { host: p.address }) }, () =>
      server.close(() => done(undefined)),
    );
  });

const tryUdp = (p: ConfiguredPort): Promise<Refusal | undefined> =>
  new Promise(done => {
    const socket = createSocket(p.address?.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', e => {
      socket.close();
      done(listenRefusal(e, p.port, 'udp', p.key));
    });
    socket.bind({ port: p.port, ...(p.address !== undefined && { address: p.address }) }, () =>
      socket.close(() => done(undefined)),
    );
  });
