import { isIPv6 } from 'node:net';
import { refuse } from '../../../src/kit/refusal.ts';

/** What an `artp:` address names. */
export interface Target {
  readonly host: string;
  /** What its certificate proves, where that is not `host`. */
  readonly name?: string;
  /** Of HELLO over TLS. */
  readonly tlsPort: number;
  /** Where media goes; a guess unless the address says so: then HELLO_ACK tells the real one. */
  readonly udpPort: number;
  readonly udpTold: boolean;
  readonly room: string;
}

const TLS_PORT = 7101;

/** Reads `artp://host[:7101]/<room>[?udp=7100]`. `udp`: where its UDP port is reached, when it is forwarded; without it, where the server
 * says, and until then the port below that of TLS. Throws a Refusal. */
export function readTarget(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const room = url && decoded(url.pathname.replace(/^\//, ''));
  if (url?.protocol !== 'artp:' || !url.hostname || !room || room.includes('/'))
    throw refuse('client', 'bad-usage', `${text} is no aRTP address: write artp://host[:7101]/<room>.`);
  const tlsPort = url.port === '' ? TLS_PORT : Number(url.port);
  const udp = url.searchParams.get('udp');
  if (udp !== null && !(Number(udp) > 0 && Number(udp) < 65536))
    throw refuse('client', 'bad-usage', `udp=${udp} in ${text} is no port.`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    tlsPort,
    udpTold: udp !== null,
    udpPort: udp === null ? tlsPort - 1 : Number(udp),
    room,
  };
}

/** As in an address bar. */
export const authority = (host: string, port: number): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
