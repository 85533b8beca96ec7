import type { Uri } from './uri.ts';
import { unbracketed } from './write.ts';

export type Transport = 'udp' | 'tcp';

/** A path to one remote address: for UDP the address itself, for TCP the connection, opened by whoever sends first. */
export interface Flow {
  /** `udp:host:port`, `tcp:host:port`. */
  readonly id: string;
  readonly transport: Transport;
  /** IP address (IPv6 without brackets) or, for an outgoing flow, a name. */
  readonly host: string;
  readonly port: number;
}

export const flowTo = (transport: Transport, host: string, port: number): Flow => ({
  id: `${transport}:${host}:${port}`,
  transport,
  host,
  port,
});

/** Where a request for `uri` goes without DNS procedures (RFC 3263 §4.2): its host, its port or 5060, its transport or UDP. */
export const flowOfUri = (uri: Uri): Flow =>
  flowTo(
    uri.params.get('transport')?.toLowerCase() === 'tcp' ? 'tcp' : 'udp',
    unbracketed(uri.host),
    uri.port ?? 5060,
  );
