import { hostname, networkInterfaces } from 'node:os';

const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:\d{1,5})?$/i;

/** The address of a peer as people write it: dual-stack sockets report IPv4 as `::ffff:192.0.2.1`. */
export const plainAddress = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '');

export const isLoopback = (address: string): boolean =>
  address === '::1' || address === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(address);

/** A Host header that is safe to repeat in a URL: `host` or `host:port`. */
export const hostHeader = (value: string | undefined): string | undefined =>
  value !== undefined && HOST.test(value) ? value : undefined;

export const withoutPort = (host: string): string => host.replace(/:\d+$/, '');

/** An address as it stands in a URL: IPv6 in brackets. */
export const urlHost = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** IPv4 addresses of this host but loopback. IPv6 ones change by themselves (RFC 8981) and are left out. */
export const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flat()
    .filter(i => i !== undefined && i.family === 'IPv4' && !i.internal)
    .map(i => i!.address);

/** The host others reach this process by, as far as it can know. */
export function reachableHost(externalAddress: string | undefined, listening: string | undefined): string {
  if (externalAddress !== undefined) return externalAddress;
  if (listening !== undefined && listening !== '0.0.0.0' && listening !== '::') return listening;
  return ownAddresses()[0] ?? '127.0.0.1';
}

/** Every name a browser may type for this host. */
export const ownNames = (externalAddress?: string): string[] => [
  ...new Set([
    'localhost',
    '127.0.0.1',
    '::1',
    hostname().toLowerCase(),
    ...ownAddresses(),
    externalAddress ?? 'localhost',
  ]),
];
