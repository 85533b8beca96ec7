import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { openUdpPath } from '../../src/io/udp-path.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
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

/** Knocks at a port: over TCP by a connection of its own. Rejects with a Refusal when nobody is there. */
export async function reach(transport: Transport, host: string, port: number, trip: Trip): Promise<Path> {
  trip.say(`connecting to ${host} port ${port} (${transport})`);
  if (transport === 'tcp') {
    await trip.within(knock(host, port), CONNECT_MS, () => silent('tcp', host, port));
    trip.step('connected', `tcp ${host}:${port}`);
  }
  const no = (e: NodeJS.ErrnoException): Refusal => unreachable('udp', host, port, e);
  let refuse: (why: Refusal) => void = () => {};
  const refused = new Promise<never>((_, fail) => void (refuse = fail));
  refused.catch(() => {}); // it may come when nobody waits any more
  const path = await openUdpPath(host, port, e => refuse(no(e))).catch(e => Promise.reject(no(e)));
  // Line ends alone: a keep-alive that SIP servers pass over (RFC 5626 §3.5.1). A closed port answers it with ICMP.
  if (transport === 'udp') path.send(Buffer.from('\r\n\r\n'));
  return { localAddress: path.localAddress, refused, close: () => path.close() };
}

const knock = (host: string, port: number): Promise<void> =>
  new Promise((done, fail) => {
    const socket = connect({ host, port });
    socket.setTimeout(CONNECT_MS, () => socket.destroy()); // nobody waits any longer then
    socket.once('connect', () => {
      socket.destroy();
      done();
    });
    socket.once('error', (e: NodeJS.ErrnoException) => fail(unreachable('tcp', host, port, e)));
  });

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
