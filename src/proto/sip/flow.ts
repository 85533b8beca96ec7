import type { Uri } from './uri.ts';
import { unbracketed } from './write.ts';

export type Transport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** A path to one remote address: for UDP the address itself, else the connection, opened by whoever sends first. */
export interface Flow {
  /** `udp:host:port`, and what tells two paths to the same address apart: `tls:host:port/name`, `tcp:host:port@1`. */
  readonly id: string;
  readonly transport: Transport;
  /** IP address (IPv6 without brackets) or, for an outgoing flow, a name. */
  readonly host: string;
  readonly port: number;
  /** Number of the listener it came in by, and answers leave from; undefined: the first that reaches the address. */
  readonly listener?: number;
  /** Outgoing TLS: the domain the request is for, which the certificate must name (RFC 5922 §7.1); undefined: `host`. */
  readonly name?: string;
  /** Requests of more than 1300 bytes go by TCP, where that connects (RFC 3261 §18.1.1). Of `udp` only. */
  readonly largeByTcp?: boolean;
  /** Incoming TLS with a verified client certificate: the domains and addresses it names. */
  readonly certified?: readonly string[];
}

type More = Pick<Flow, 'listener' | 'name' | 'largeByTcp' | 'certified'>;

/** `more.name` and `more.listener` make it another path; the rest does not. */
export function flowTo(transport: Transport, host: string, port: number, more?: More): Flow {
  const { listener, name } = more ?? {};
  const by = `${name === undefined ? '' : `/${name}`}${listener ? `@${listener}` : ''}`;
  return { ...more, id: `${transport}:${host}:${port}${by}`, transport, host, port };
}

/** Signalling nobody on the way can read: keys in a description are safe in it. */
export const isSecure = ({ transport }: Pick<Flow, 'transport'>): boolean =>
  transport === 'tls' || transport === 'wss';

/** RFC 3261 §19.1.2 and RFC 7118 §5.3: the port a URI or Via without one means. */
export const defaultPort = (transport: Transport): number =>
  ({ udp: 5060, tcp: 5060, tls: 5061, ws: 80, wss: 443 })[transport];

/** The transport a URI asks for; undefined: one we do not speak (`sctp`). */
function transportOf(uri: Uri): Transport | undefined {
  const said = uri.params.get('transport')?.toLowerCase();
  const secure = uri.scheme === 'sips';
  switch (said) {
    case undefined:
      return secure ? 'tls' : 'udp';
    case 'udp': // sips over UDP has no meaning (§26.2.2): the promise of the scheme is kept
      return secure ? 'tls' : 'udp';
    case 'tcp':
      return secure ? 'tls' : 'tcp';
    case 'ws': // RFC 7118 §5.2.2: the one word for both; the scheme tells them apart
      return secure ? 'wss' : 'ws';
    case 'tls':
    case 'wss':
      return said;
    default:
      return undefined;
  }
}

/** Where a request for `uri` goes without DNS procedures (RFC 3263 §4.2): its host, its port or the default one, its transport or UDP. */
export function flowOfUri(uri: Uri): Flow {
  const transport = transportOf(uri) ?? 'udp';
  return flowTo(transport, unbracketed(uri.host), uri.port ?? defaultPort(transport));
}
