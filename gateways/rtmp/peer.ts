import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Termination } from '../../src/contract.ts';
import { drive } from '../../src/io/drive.ts';
import type { TcpConnection, TcpHandlers } from '../../src/io/tcp.ts';
import { ServerSession } from '../../src/proto/rtmp/server-session.ts';
import type { ServerInput, ServerOptions, ServerOutput } from '../../src/proto/rtmp/server-types.ts';

export type Ask = Extract<ServerOutput, { type: 'publish' | 'play' }>;
/** What a leg hears of its connection. */
export type PeerEvent = Exclude<ServerOutput, { type: 'write' | 'publish' | 'play' | 'junk' | 'end' }>;

/** One RTMP connection: its session core on its socket. */
export interface Peer {
  /** Unique in this process; the leg request names it. */
  readonly id: string;
  readonly address: string;
  /** What the client wants; undefined when it went before it said. */
  readonly asked: Promise<Ask | undefined>;
  /** Why it ended, once the socket is closed. */
  readonly ended: Promise<Termination>;
  readonly queuedBytes: number;
  send(input: ServerInput): void;
  /** From now on `on` hears what comes, and first what came meanwhile. */
  attach(on: (e: PeerEvent) => void): void;
}

export interface PeerOptions extends Omit<ServerOptions, 'random'> {
  readonly clock: Clock;
  junk(reason: string): void;
}

const LOST: Termination = {
  blame: 'client',
  reason: 'connection-lost',
  text: 'The client closed the connection without ending its stream.',
};

/** `tcp` is the connection; the handlers returned are for its listener. */
export function openPeer(tcp: TcpConnection, options: PeerOptions): { peer: Peer; handlers: TcpHandlers } {
  const { clock } = options;
  const session = new ServerSession({ ...options, random: randomBytes }, clock.now());
  const early: PeerEvent[] = [];
  let listener: ((e: PeerEvent) => void) | undefined;
  let why: Termination | undefined;
  let tellAsked: (ask: Ask | undefined) => void = () => {};
  let tellEnded: (why: Termination) => void = () => {};
  const asked = new Promise<Ask | undefined>(done => (tellAsked = done));
  const ended = new Promise<Termination>(done => (tellEnded = done));

  const act = (out: ServerOutput): void => {
    switch (out.type) {
      case 'write':
        return tcp.write(out.bytes);
      case 'publish':
      case 'play':
        // Until the leg has its seat nothing more is read: TCP keeps it, so `early` stays within one read.
        tcp.pause(true);
        return tellAsked(out);
      case 'junk':
        return options.junk(out.reason);
      case 'end':
        why ??= out.why;
        tellAsked(undefined);
        return tcp.end();
      default:
        if (listener === undefined) early.push(out);
        else listener(out);
    }
  };
  const driving = drive<ServerInput, ServerOutput>(session, clock, act);
  driving.feed({ type: 'bytes', bytes: new Uint8Array(0) }); // arms the handshake timeout

  const peer: Peer = {
    id: randomUUID(),
    address: tcp.address,
    asked,
    ended,
    get queuedBytes() {
      return tcp.queuedBytes;
    },
    send: input => driving.feed(input),
    attach(on) {
      for (const e of early.splice(0)) on(e);
      listener = on;
      tcp.pause(false);
    },
  };
  const handlers: TcpHandlers = {
    data: bytes => driving.feed({ type: 'bytes', bytes }),
    closed(error) {
      driving.stop();
      tellAsked(undefined);
      tellEnded(why ?? (error === undefined ? LOST : { ...LOST, text: `The connection broke: ${error}.` }));
    },
  };
  return { peer, handlers };
}
