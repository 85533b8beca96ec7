import type { Json } from '../contract.ts';

/** What one agent says of itself, every second. It is the authority; whoever reads this knows only the recent past. */
export interface AgentAdvert {
  readonly agent: string;
  readonly gateway: string;
  /** Codec names it handles. */
  readonly formats: readonly string[];
  /** Legs it can bear, and bears now. */
  readonly capacity: number;
  readonly legs: number;
  /** Takes no new legs; those it has go on. */
  readonly draining: boolean;
  /** Takes no new legs, and gets rid of those it has. */
  readonly outOfService?: boolean;
  /** Where its members reach it, in the words of its gateway. */
  readonly reach?: Json;
}

/** A room node, and how an agent's process reaches it. */
export interface RoomNodeAdvert {
  readonly host: string;
  readonly tlsPort: number;
  /** UDP port of the media link; its control stream is on `tlsPort`. */
  readonly udpPort: number;
  /** How many rooms it hosts now. */
  readonly rooms: number;
  readonly draining: boolean;
}

/** A UDP socket that datagrams reach by the first bytes of their connection id. */
export interface RelayAdvert {
  /** Six hexadecimal digits, new at every start. */
  readonly tag: string;
  readonly host: string;
  readonly port: number;
}

/** One process: everything it runs, in one message. */
export interface ProcessAdvert {
  readonly v: 1;
  readonly process: string;
  readonly version: string;
  readonly region: string;
  /** SHA-256 of the certificate it shows to the other processes of the system. */
  readonly fingerprint: string;
  readonly agents: readonly AgentAdvert[];
  /** Silent on the bus, but their links with this process stand: cut off, not dead. */
  readonly hears?: readonly string[];
  /** Where it serves browsers (page, WHIP, WHEP). */
  readonly web?: string;
  readonly roomNode?: RoomNodeAdvert;
  /** It relays aRTP, from there. */
  readonly router?: RelayAdvert;
  /** Its sockets that serve aRTP, for routers. */
  readonly servers?: readonly RelayAdvert[];
}
