import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { Transport } from '../../src/proto/sip/flow.ts';
import type { Trip } from './trip.ts';
import { failed } from './verdict.ts';

const LOOKUP_MS = 10_000;
const CONNECT_MS = 10_000;

export interface HostAddress {
  /** Numeric. */
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host, IPv4 first, as SIP user agents and their servers mostly have it. */
export async function resolve(host: string, trip: Trip): Promise<readonly [HostAddress, ...HostAddress[]]> {
  trip.say(`looking up ${host}`);
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  const none = (why: string) =>
    failed(
      'name-resolution',
      `Name resolution: ${host} has no address (${why}); check the name, and the DNS server of this machine.`,
    );
  const found = await trip.within(
    lookup(host, { all: true }).catch((e: NodeJS.ErrnoException) => {
      throw none(e.code ?? e.message);
    }),
    LOOKUP_MS,
    () => none(`no answer in ${LOOKUP_MS / 1000} s`),
  );
  const [first, ...rest] = found.toSorted((a, b) => a.family - b.family);
  if (first === undefined) throw none('an empty answer');
  trip.step('resolved', first.address);
  return [first, ...rest];
}

/** The way to a peer. */
export interface Path {
  /** Ours, as the peer sees it if nothing translates on the way. */
  readonly localAddress: string;
  /** Rejects with a Refusal when the peer's host says that the port is closed. */
  readonly refused: Promise<never>;
  /** Idempotent. */
  close(): void;
}

/** Knocks at a port: TCP by opening and closing a connection. Rejects with a Refusal when nobody is there. */
export async function reach(transport: Transport, host: string, port: number, trip: Trip): Promise<Path> {
  trip.say(`connecting to ${host} port ${port} (${transport})`);
  if (transport === 'tcp') await trip.within(knock(host, port), CONNECT_MS, () => silent('tcp', host, port));
  if (transport === 'tcp') trip.step('connected', `tcp ${host}:${port}`);
  return path(host, port, transport === 'udp');
}

const knock = (host: string, port: number): Promise<void> =>
  new Promise((done, fail) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      done();
    });
    socket.once('error', (e: NodeJS.ErrnoException) => fail(unreachable('tcp', host, port, e)));
  });

/** A connected datagram socket is told what an unconnected one never hears: ICMP "port unreachable". */
function path(host: string, port: number, knock: boolean): Promise<Path> {
  return new Promise((done, fail) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
    let tell: (error: Error) => void = fail;
    let open = true;
    socket.on('error', (e: NodeJS.ErrnoException) => tell(unreachable('udp', host, port, e)));
    socket.connect(port, host, () => {
      const refused = new Promise<never>((_, reject) => {
        tell = reject;
      });
      refused.catch(() => {}); // it may come when nobody waits any more
      // Line ends alone: a keep-alive that SIP servers pass over (RFC 5626 §3.5.1).
      if (knock) socket.send('\r\n\r\n', e => e && tell(unreachable('udp', host, port, e)));
      done({
        localAddress: socket.address().address,
        refused,
        close() {
          if (open) socket.close();
          open = false;
        },
      });
    });
  });
}

export const unreachable = (transport: string, host: string, port: number, e: NodeJS.ErrnoException) =>
  failed(
    'transport',
    e.code === 'ECONNREFUSED'
      ? `Transport: nothing listens on ${host} port ${port} (${transport}); check the port, and that Roombridge runs there.`
      : `Transport: ${host} port ${port} (${transport}) cannot be reached (${e.code ?? e.message}); check the address and the network.`,
  );

export const silent = (transport: string, host: string, port: number) =>
  failed(
    'transport',
    `Transport: ${host} port ${port} (${transport}) did not answer in ${CONNECT_MS / 1000} s; a firewall on the way, or the wrong address.`,
  );
