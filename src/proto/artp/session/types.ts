import type { Json, Millis, Termination } from '../../../contract.ts';
import type { directionCipher, Suite } from '../keys.ts';
import type { Announcement, HoldLimits } from '../media/types.ts';

/** Where datagrams go to and come from; compared by value. */
export interface Route {
  readonly kind: 'udp' | 'stream';
  /** A numeric IP address; of a stream, its id. */
  readonly address: string;
  /** 0 of a stream. */
  readonly port: number;
  /** Id of a router on the way: the connection id is then in every packet, and reports name it. */
  readonly via?: string;
  /** Taken before all others as long as it is alive. */
  readonly first?: true;
}

/** All in ms. */
export interface SessionTimes {
  /** Nothing heard for this long, although asked: all paths are probed. */
  readonly suspectMs: number;
  /** Nothing heard for this long: nothing is sent but probes, the room sees `away`. */
  readonly detachMs: number;
  /** Nothing heard for this long: the seat is free. */
  readonly keepMs: number;
  /** Between probes of a path that has gone quiet. */
  readonly probeMs: number;
  readonly keepAliveMs: number;
  readonly idleKeepAliveMs: number;
  /** The stream joins the race this long after UDP. */
  readonly streamAfterMs: number;
  /** A UDP path that is blocked is tried again. */
  readonly udpAgainMs: number;
}

export const SESSION_TIMES: SessionTimes = {
  suspectMs: 3000,
  detachMs: 6000,
  keepMs: 120_000,
  probeMs: 200,
  keepAliveMs: 5000,
  idleKeepAliveMs: 15_000,
  streamAfterMs: 300,
  udpAgainMs: 15_000,
};

export interface SessionOptions {
  /** The client sent HELLO: it opens paths, the server learns them. */
  readonly side: 'client' | 'server';
  /** 32 bytes, of HELLO_ACK or of a resume. */
  readonly secret: Uint8Array;
  readonly suite: Suite;
  /** Connection ids, 8 bytes: `ours` is what they put on what they send us. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
  readonly random: (bytes: number) => Buffer;
  readonly times: SessionTimes;
  /** Playout delay that redundancy may cost, ms. */
  readonly budgetMs: number;
  /** Client: what a RESET must show, 16 bytes (`session/reset.ts`). Without it no RESET is believed. */
  readonly reset?: Uint8Array;
  /** When the session begins; its first second of silence is counted from here. */
  readonly now: Millis;
  /** Sends a whole datagram: `length` bytes of `bytes`, which are used again as soon as this returns (copy them). */
  readonly transmit: (bytes: Uint8Array, length: number, route: Route) => void;
  readonly count: (reason: string) => void;
  /** Both ends are processes of one system. */
  readonly inside?: InsideOptions;
  /** Makes the ciphers; tests look over its shoulder. */
  readonly cipher?: typeof directionCipher;
}

/**
 * What is different inside a system: its network is wide and mostly clean. Nothing is paced, no camera is told to send
 * less, redundancy begins when something is lost, and every packet names its connection: thousands of tracks are looked
 * up by it.
 */
export interface InsideOptions {
  /** Tells the other side of a flow, reliably and in order; what it is told goes to its `announced`. */
  readonly announce: (a: Announcement, now: Millis) => void;
  readonly hold: HoldLimits;
}

export type SessionState = 'opening' | 'active' | 'suspect' | 'detached' | 'gone';

export type SessionEvent =
  | { readonly type: 'state'; readonly state: SessionState }
  /** In the order in which the other side said them. */
  | { readonly type: 'message'; readonly message: Json }
  /** Datagrams from `route` belong to this session even without a connection id (or no longer). */
  | { readonly type: 'route'; readonly route: Route; readonly on: boolean }
  /** The last event. */
  | { readonly type: 'ended'; readonly why: Termination };

export interface PathReport {
  readonly route: Route;
  readonly state: 'new' | 'ready' | 'silent';
  /** Media goes here. */
  readonly active: boolean;
  readonly rttMs: number | undefined;
  /** Share of our packets lost lately, 0–1. */
  readonly loss: number;
  readonly rateBps: number;
}

export interface SessionStats {
  readonly state: SessionState;
  readonly rttMs: number | undefined;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly heardPackets: number;
  readonly heardBytes: number;
  readonly sendEpoch: number;
  /** Messages said and not yet acknowledged, bytes. */
  readonly unsaidBytes: number;
}
