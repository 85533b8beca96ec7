import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

export interface CandidateAsk {
  /** The address the port is bound to. */
  readonly listening: string;
  /** `Host.advertisedAddress` for this peer. */
  readonly advertised: string;
  readonly peer: string | undefined;
}

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** Addresses to offer a peer, the best first. A name is no candidate (RFC 8839 §5.1 allows it, browsers refuse it). */
export function candidateAddresses(
  ask: CandidateAsk,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const family = isIP(ask.listening) === 6 ? 'IPv6' : 'IPv4';
  const wildcard = ask.listening === '0.0.0.0' || ask.listening === '::';
  const found = new Set([ask.advertised]);
  if (!wildcard) found.add(ask.listening);
  else {
    const own = Object.values(interfaces)
      .flatMap(list => list ?? [])
      .filter(i => i.family === family);
    // An advertised address that is not ours is externalAddress: there is a NAT, and our own would only mislead.
    if (own.some(i => i.address === ask.advertised))
      for (const i of own) if (!i.internal && !i.address.startsWith('fe80:')) found.add(i.address);
    if (isLoopback(ask.peer)) found.add(family === 'IPv6' ? '::1' : '127.0.0.1');
  }
  return [...found].filter(a => isIP(a) === (family === 'IPv6' ? 6 : 4));
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
