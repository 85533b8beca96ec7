/** What the platform gives a gateway. */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Millis } from '../kit/core.ts';
import type { Json } from './json.ts';
import type { LadderStep, LegCommand, LegEvent, LegRequest } from './legs.ts';

export interface Log {
  debug(o: object, msg: string): void;
  info(o: object, msg: string): void;
  warn(o: object, msg: string): void;
  error(o: object, msg: string): void;
}

/** A listening address to print at start: `https://…/r/1000`, `sip:…`. */
export interface Address {
  readonly url: string;
  readonly what: string;
}

/** Monotonic time and timers; the virtual clock in tests. `at` returns its own undo. */
export interface Clock {
  now(): Millis;
  at(when: Millis, run: () => void): () => void;
}

/** A placed leg as its front holds it. */
export interface PlacedLeg {
  readonly id: string;
  readonly agent: string;
  readonly participant: string;
  /** The resume secret of the participant: lets its other legs join it in an open room. */
  readonly secret: string;
  send(c: LegCommand): void;
  /**
   * Of a leg that `outlivesAgent`, after `move` or its `closed` with reason `agent-lost`: places it anew, as a leg of the
   * same participant. Who may come in is not asked again. Otherwise as `Host.place`. Then this one is to be closed.
   */
  again?(
    anew: Pick<LegRequest, 'leg' | 'begin'>,
    on: (e: LegEvent) => void,
    signal: AbortSignal,
  ): Promise<PlacedLeg>;
}

export interface HttpRequest {
  readonly method: string;
  /** Named parts of the route, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  readonly address: string;
  /** `https://host:port` as the client wrote it. */
  readonly origin: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The project's one HTTP server, as gateways see it. A thrown Refusal becomes problem+json. */
export interface HttpMount {
  /** `path` as `/whip/:room`; one handler a method. */
  route(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'OPTIONS',
    path: string,
    handler: (r: HttpRequest) => Promise<HttpResponse>,
  ): void;
  /** Takes over an upgraded connection (WebSocket). */
  upgrade(path: string, handler: (req: IncomingMessage, socket: Duplex, head: Buffer) => void): void;
  /** The addresses it listens on, https first; filled by the time of `start`. */
  readonly bases: readonly string[];
  /** The certificate it shows and its key, PEM. `changed` is called whenever they are replaced. */
  certificate?(changed?: () => void): { readonly cert: string; readonly key: string };
}

/** A router that would relay for a session. */
export interface RelayOffer {
  /** Its process, for reports. */
  readonly id: string;
  /** Numeric IP address. */
  readonly host: string;
  readonly port: number;
  /** A secret: lets the client in. */
  readonly ticket: string;
}

/** Everything the platform gives a gateway. */
export interface Host {
  /** Unique id of this process. */
  readonly process: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Only where this process has a web server: with the roles front, webrtc, stomp, native or api. */
  readonly http?: HttpMount;
  /** Host part to write into SDP, Contact, candidates for a peer at `peerAddress` (default: externalAddress or the listening one). */
  advertisedAddress(peerAddress?: string): string;
  /** Asks for a leg. Rejects with a Refusal; aborting `signal` closes whatever was begun. Events arrive on `on`, `closed` last. */
  place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal): Promise<PlacedLeg>;
  /** A short-lived address for another gateway's leg: the way a mini-program gets its push and play URLs. */
  ticket(ask: TicketRequest): Promise<Ticket>;
  /** Room actions a signalling member may ask for itself. */
  room: {
    mute(room: string, participant: string, media: 'audio' | 'video', on: boolean): Promise<void>;
    text(room: string, participant: string, text: string): Promise<void>;
  };
  /** Says something to the signalling legs of a participant: which member is in which slot. Best effort. */
  tell(room: string, participant: string, fact: Json): void;
  /** Digest passwords to try for a SIP username (`exp:room:user`), or undefined when the platform does not know it. */
  digestPasswords(username: string): readonly string[] | undefined;
  /**
   * 32 random bytes of that name, the same in all processes of the system, never told outside: for gateways whose agents
   * must read what another of them has sealed.
   */
  secret(name: string): Promise<Buffer>;
  /** Routers between the members of this gateway and it, where it serves aRTP. */
  readonly relay: {
    /** A UDP socket, listening on `address`: the connection ids it chooses begin with these three bytes. */
    serve(tag: number, address: string, port: number): void;
    /** Who would relay between these two connection ids, for HELLO_ACK; none where there are no routers. */
    offers(client: Uint8Array, server: Uint8Array): readonly RelayOffer[];
  };
  /** `reach` of the other living agents of this gateway that take legs, the gladdest first. */
  siblings(): readonly Json[];
  /** How long a member whose network is gone keeps its seat, ms (`rooms.sessionKeep`). */
  readonly sessionKeepMs: Millis;
  /** True when tokens are configured, so a front may challenge. */
  readonly authRequired: boolean;
  /** Adds a step to a leg's ladder. */
  ladder(leg: string, step: LadderStep): void;
  /** Counts junk and other facts under `roombridge_<gateway>_<name>_total{reason}`. */
  count(name: string, reason: string): void;
}

export interface TicketRequest {
  readonly room: string;
  readonly user: string;
  readonly protocol: 'rtmp' | 'whip' | 'whep';
  readonly role: 'publish' | 'play';
  readonly track?: string;
  /** Who asks: an admin, or the participant itself. */
  readonly participant?: string;
}

export interface Ticket {
  readonly url: string;
  readonly token: string;
  /** Unix ms. */
  readonly expiresAt: number;
}
