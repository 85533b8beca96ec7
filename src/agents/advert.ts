/** What one agent says of itself, every second. It is the authority; whoever reads this knows only the recent past. */
export interface AgentAdvert {
  readonly agent: string;
  readonly gateway: string;
  /** Codec names it handles. */
  readonly formats: readonly string[];
  /** Legs it can bear, and bears now. */
  readonly capacity: number;
  readonly legs: number;
  readonly draining: boolean;
}

/** A room node, and how an agent's process reaches it. */
export interface RoomNodeAdvert {
  readonly host: string;
  readonly tlsPort: number;
  /** UDP port of the media link; its control stream is on `tlsPort`. */
  readonly udpPort: number;
  /** Names of the rooms it hosts now, so that who joins later finds the same node. */
  readonly rooms: readonly string[];
  readonly draining: boolean;
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
  readonly roomNode?: RoomNodeAdvert;
}
