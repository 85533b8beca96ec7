/**
 * THE SEAM. A gateway needs this file (and kit, proto, media, codecs, io) and nothing else of the platform.
 * Control is plain JSON: it may cross processes. Media and the seat live in the agent's process.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ZodType } from 'zod';
import type { Millis, Sink } from './kit/core.ts';
import type { Termination } from './kit/refusal.ts';

export type { Millis, Sink, Termination };

export const CONTRACT = 1;

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

// ---------------------------------------------------------------- media

/** What rooms carry, and AAC, which only players ask for: a publisher's AAC is transcoded where it enters. */
export type AudioCodec = 'opus' | 'PCMU' | 'PCMA' | 'G722' | 'AAC';
export type VideoCodec = 'H264' | 'VP8';
export type CodecName = AudioCodec | VideoCodec;

/** `clockRate` is that of RTP timestamps, Hz (G722: 8000, RFC 3551 §4.5.2; AAC: the sample rate). */
export interface Format {
  readonly codec: CodecName;
  readonly clockRate: number;
  readonly channels?: 1 | 2;
  /** As in SDP `a=fmtp`, keys in lower case. AAC carries `config` (AudioSpecificConfig, hex). */
  readonly fmtp?: Readonly<Record<string, string>>;
}

/** Set once where a video packet enters, so that no later stage parses it again. */
export interface FrameMark {
  start: boolean;
  end: boolean;
  key: boolean;
  /** Carries decoder configuration (SPS/PPS). */
  config: boolean;
  temporal: number;
}

/**
 * One payload in its RTP payload format. Borrowed: the object and its bytes belong to the caller and are reused
 * after the call; copy what must last.
 */
export interface MediaPacket {
  /** Extended, per track, local to this hop: no wrap, never compared across hops. */
  seq: number;
  /** Extended codec-clock ticks, no wrap. */
  pts: number;
  marker: boolean;
  payload: Uint8Array;
  /** Audio: level in −dBov, 0 (loudest) … 127 (silence), RFC 6464. Always set by the publishing agent. */
  level?: number;
  frame?: FrameMark;
}

/** Flows against the media, coalesced, never from inside a Sink call. */
export type Feedback =
  | { readonly type: 'keyframe' }
  | { readonly type: 'bitrate'; readonly bps: number }
  | { readonly type: 'pause'; readonly on: boolean };

export type TrackSource = 'mic' | 'camera' | 'screen' | 'prompt';

export interface TrackInfo {
  /** Made by the publishing seat, unique in the room. */
  readonly id: string;
  readonly participant: string;
  readonly source: TrackSource;
  readonly format: Format;
  /** Names of its simulcast streams; the smaller ones are tracks of their own, with `layerOf`. */
  readonly layers?: readonly string[];
  /** False: the publisher cannot be asked for a keyframe (RTMP). */
  readonly canKeyframe: boolean;
  /** Tracks of one group share a capture clock (lip-sync). */
  readonly syncGroup: string;
  /** Heard before its member is seen: what the network plays to us while a call out rings. */
  readonly early?: boolean;
  /** The track of which this is a smaller copy (simulcast): for receivers of that one, never shown or told by itself. */
  readonly layerOf?: string;
}

export type NewTrack = Omit<TrackInfo, 'id' | 'participant'>;

// ---------------------------------------------------------------- the seat

/** A leg's place in a room: the only thing of a room a gateway ever sees. Process-local, wherever the room is. */
export interface Seat {
  readonly room: string;
  /** The participant's id and unique visible name, e.g. `alice` or `alice-2`. */
  readonly participant: string;
  publish(track: NewTrack, on: (f: Feedback) => void): Publication;
  want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription;
  /** Who is in the room and what changes; the first event is always a `roster`. For signalling legs. */
  watch(on: (e: RoomEvent) => void): () => void;
  /** Makes the participant visible to others: ACK, first media, a finished handshake. */
  confirmed(): void;
  /** Idempotent. A `why` with reason `connection-lost` keeps the participant for the session keep time. */
  leave(why: Termination): void;
}

export type Want =
  /** Everyone's sound but one's own, in one stream. */
  | { readonly kind: 'mix'; readonly codec: Format; readonly ptimeMs: number }
  /** One track, passed through when `accept` allows, else transcoded. */
  | {
      readonly kind: 'track';
      readonly id: string;
      readonly accept: readonly Format[];
      readonly layer?: string;
    }
  /** One member's sound or picture, whichever track carries it now. */
  | {
      readonly kind: 'member';
      readonly participant: string;
      readonly source: TrackSource;
      readonly accept: readonly Format[];
    }
  /** Sound of the `of` loudest members, this being slot `slot` (0-based). One call a slot; a member keeps its slot. */
  | {
      readonly kind: 'loudest';
      readonly slot: number;
      readonly of: number;
      readonly accept: readonly Format[];
    }
  /**
   * One picture of the room: who speaks (or what someone shares, while someone does), what is shared, or everyone in
   * one. `maxBps`: what the receiver may be sent; Infinity when it sets no limit.
   */
  | {
      readonly kind: 'picture';
      readonly source: 'speaker' | 'content' | 'grid';
      readonly accept: readonly Format[];
      readonly maxBps: number;
    }
  /** Cameras of `of` other members, this being slot `slot` (0-based); a member keeps its slot, more take turns by speaking. */
  | {
      readonly kind: 'cameras';
      readonly slot: number;
      readonly of: number;
      readonly accept: readonly Format[];
      readonly maxBps: number;
    };

export type TrackEvent =
  /** From now on the sink carries this; `how` is `passthrough`, `mix`, `grid` or `transcode A→B`. A new pts line begins. */
  | { readonly type: 'serving'; readonly track?: TrackInfo; readonly format: Format; readonly how: string }
  /** Nothing comes until the next `serving`. */
  | { readonly type: 'idle' }
  /** This want cannot be served; `why.text` says what is missing. */
  | { readonly type: 'unserved'; readonly why: Termination }
  /** It is served, but not as the room asks for (no grid, but who speaks); `why.text` says what is missing. */
  | { readonly type: 'lacking'; readonly why: Termination };

export interface Publication {
  readonly id: string;
  readonly sink: Sink<MediaPacket>;
  /** Ties media time to capture time, ms on a clock shared by the sync group: lip-sync. */
  clock(pts: number, captureMs: number): void;
  /** The stream goes on in another format (a re-INVITE, a new AVC header). */
  format(f: Format): void;
  pause(on: boolean): void;
  close(): void;
}

export interface Subscription {
  update(w: Want): void;
  feedback(f: Feedback): void;
  /**
   * Lip-sync: when what has `pts` (of the source served now) is to be heard or seen, on `Host.clock`. What was captured
   * together, or is heard together in a mix, has one time; it may lie in the past, or a little ahead. Follows clocks
   * slowly. Undefined before the first packet.
   */
  timeOf(pts: number): Millis | undefined;
  close(): void;
}

export interface MemberInfo {
  readonly participant: string;
  readonly display: string;
  /** Gateways of its legs, for the icon: `sip`, `rtmp`, `webrtc`. */
  readonly protocols: readonly string[];
  readonly muted: { readonly audio: boolean; readonly video: boolean };
  readonly state: 'here' | 'away';
  readonly tracks: readonly TrackInfo[];
}

export type RoomEvent =
  | { readonly type: 'roster'; readonly members: readonly MemberInfo[] }
  | { readonly type: 'member'; readonly member: MemberInfo }
  | { readonly type: 'left'; readonly participant: string; readonly why: Termination }
  /** Who speaks now, loudest first, participant ids. At most five a second. */
  | { readonly type: 'speaking'; readonly participants: readonly string[] }
  | { readonly type: 'text'; readonly from: string; readonly text: string };

// ---------------------------------------------------------------- legs

export type Role = 'send' | 'receive' | 'signal';
export type Proof = 'token' | 'digest' | 'trunk' | 'ticket' | 'claimed';

export interface Who {
  readonly user: string;
  readonly device?: string;
  readonly display?: string;
  /** What the front knows; `place` raises it when `credential` is good. */
  readonly proof: Proof;
  /** A room token, a ticket or a resume secret. Never logged. */
  readonly credential?: string;
  /** Address of the peer, for limits and logs. */
  readonly address?: string;
}

/** Asks for a leg. The front sends it once; the manager finds an agent; the agent answers with events. */
export interface LegRequest {
  readonly v: 1;
  /** Unique; made by the front. */
  readonly leg: string;
  /** Ties log lines and ladders of all hops together (a Call-ID, say). */
  readonly trace: string;
  readonly gateway: string;
  readonly direction: 'in' | 'out';
  readonly who: Who;
  readonly room: string;
  readonly roles: readonly Role[];
  /** What a sending leg publishes; absent: microphone and camera. A screen never takes over a camera. */
  readonly track?: 'screen';
  /** The peer can be asked by a voice and answers by DTMF: without the PIN of a room it is asked for it. */
  readonly prompts?: boolean;
  /** The id of the only agent that can take it: its socket carries the media (RTMP, STOMP). */
  readonly pin?: string;
  /** Formats the peer offers, for the agents' scoring; empty or absent: any agent. */
  readonly formats?: readonly string[];
  /** `native` of a `make-offer`: what the front knows of the way ahead, no description. */
  readonly begin:
    | { readonly type: 'offer'; readonly native: Json }
    | { readonly type: 'make-offer'; readonly native?: Json };
}

/** Front or API → agent. `native` is the protocol's own material: opaque to all but the same gateway. */
export type LegCommand =
  | { readonly type: 'offer'; readonly id: number; readonly native: Json }
  /** `early`: for now; another answer to the same offer follows (early media, forks). */
  | { readonly type: 'answer'; readonly id: number; readonly native: Json; readonly early?: boolean }
  | {
      readonly type: 'make-offer';
      readonly id: number;
      readonly why: 'dial' | 'offerless' | 'refresh' | 'migrate';
    }
  | { readonly type: 'rollback'; readonly id: number }
  | { readonly type: 'candidates'; readonly native: Json }
  | { readonly type: 'confirmed' }
  | { readonly type: 'mute'; readonly media: 'audio' | 'video'; readonly on: boolean }
  | { readonly type: 'dtmf'; readonly digit: string; readonly ms: number }
  /** The peer asks by signalling for a keyframe of what it sees (INFO `media_control+xml`). */
  | { readonly type: 'keyframe' }
  /**
   * Kept by the platform, not passed to the leg: what another front needs to end this leg's signalling, should this one
   * vanish. The newest counts; null: nothing any more.
   */
  | { readonly type: 'will'; readonly native: Json }
  /** To a signalling leg: something its member should know, said by another of its legs. */
  | { readonly type: 'fact'; readonly fact: Json }
  | { readonly type: 'close'; readonly why: Termination };

/** Agent → front, log. Answers to an offer or make-offer echo its `id`; `begin` has id 0. */
export type LegEvent =
  | { readonly type: 'description'; readonly id: number; readonly native: Json }
  | { readonly type: 'refused'; readonly id: number; readonly why: Termination }
  | { readonly type: 'candidates'; readonly native: Json }
  | { readonly type: 'want-offer'; readonly why: 'content' | 'codec' | 'ice' }
  | { readonly type: 'media'; readonly state: 'up' | 'silent' | 'lost' }
  | { readonly type: 'hold'; readonly by: 'peer' | 'us' | 'none' }
  | {
      readonly type: 'dtmf';
      readonly digit: string;
      readonly ms: number;
      readonly via: 'rtp' | 'inband' | 'info';
    }
  | { readonly type: 'keyframe-by-signalling' }
  /** Whom each line of a player carries now, in the order of its m-lines; null: nobody, or no one member. */
  | {
      readonly type: 'slots';
      readonly audio: readonly (string | null)[];
      readonly video: readonly (string | null)[];
      readonly content: string | null;
    }
  | { readonly type: 'closed'; readonly why: Termination };

/** One direction of one medium of a leg, as the API tells it. */
export interface StreamStats {
  readonly media: 'audio' | 'video' | 'screen';
  readonly direction: 'in' | 'out';
  readonly codec: string;
  /** `passthrough`, `mix`, or `transcode A→B`. */
  readonly how: string;
  /** How its packets are protected; absent where the protocol has no choice. */
  readonly security?: 'none' | 'sdes' | 'dtls';
  readonly packets: number;
  readonly bytes: number;
  readonly lost?: number;
  readonly jitterMs?: number;
  readonly rttMs?: number;
  readonly mos?: number;
  readonly firstPacketMs?: number;
  /** Pictures: size in pixels, as shown. */
  readonly width?: number;
  readonly height?: number;
  /** Pictures a second and bit rate, lately. */
  readonly fps?: number;
  readonly bitrateBps?: number;
  /** In: by us of the publisher; out: by the receiver of us. */
  readonly keyframesAsked?: number;
  /** Times the pictures paused: no new one for 3 times as long as usual, and 150 ms more. */
  readonly freezes?: number;
}

/** One line of a ladder: every signalling step of a leg in time order. Credentials are masked by whoever adds it. */
export interface LadderStep {
  /** Unix ms. */
  readonly at: number;
  readonly dir: 'in' | 'out' | 'note';
  readonly transport: string;
  readonly summary: string;
  readonly text?: string;
}

// ---------------------------------------------------------------- the plug-in

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

/** Everything the platform gives a gateway. */
export interface Host {
  /** Unique id of this process. */
  readonly process: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Only where this process runs fronts. */
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

/** Asks for a call out of a room. */
export interface DialRequest {
  /** Unique; names the call in the API. */
  readonly call: string;
  readonly room: string;
  /** An address of the front's protocol, or a number: `sip:bob@example.org`, `+4930123456`. */
  readonly to: string;
  /** The line to take; absent: the first whose rules take `to`. */
  readonly trunk?: string;
  /** Name of the member in the room; absent: what was dialled. */
  readonly display?: string;
  /** How long it may ring. */
  readonly timeoutMs?: number;
}

/** One step of a call out, in words. The last has the state `ended`. */
export interface DialStep {
  /** Unix ms. */
  readonly at: number;
  readonly state: 'calling' | 'ringing' | 'early' | 'up' | 'ended';
  /** Of the protocol, where it has one: 180, 486. */
  readonly status?: number;
  readonly text: string;
}

export interface Dialled {
  readonly leg: string;
  /** Withdraws the call, or ends it. Idempotent. */
  cancel(why: Termination): void;
}

/** How something is that a trunk depends on. */
export interface TrunkPart {
  /** A proxy's address, or an account's user. */
  readonly name: string;
  readonly state: 'up' | 'down' | 'unknown';
  /** The protocol's last status. */
  readonly status?: number;
  /** Since when it is in this state, Unix ms. */
  readonly since: number;
  /** An account: until when it is registered, Unix ms. */
  readonly until?: number;
  readonly text: string;
}

/** A line to elsewhere, and how it is. */
export interface TrunkState {
  readonly trunk: string;
  readonly gateway: string;
  readonly state: 'up' | 'down' | 'unknown';
  readonly text: string;
  readonly proxies: readonly TrunkPart[];
  readonly accounts: readonly TrunkPart[];
}

/** What a look at something found: one sentence. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'error';
  readonly text: string;
}

/** The signalling side: turns wire events into leg requests. */
export interface Front {
  start(): Promise<readonly Address[]>;
  /** Calls someone into a room. Rejects with a Refusal when that is not allowed; whatever follows comes as steps. */
  dial?(ask: DialRequest, on: (step: DialStep) => void): Promise<Dialled>;
  trunks?(): readonly TrunkState[];
  /** Ends the signalling of a leg whose front vanished, from the `will` that one left. */
  execute?(will: Json, why: Termination): Promise<void>;
  /** No new legs from now on; live ones are ended politely (BYE …). Resolves when all are told. */
  close(why: Termination): Promise<void>;
}

/** A leg inside its agent. */
export interface Leg {
  handle(c: LegCommand): void;
  stats(): readonly StreamStats[];
}

/** The media side. The authority on its own capacity: `take` may refuse by throwing a Refusal. */
export interface Agent {
  start(): Promise<readonly Address[]>;
  /** Codec names it handles, and how many legs it can bear. */
  readonly formats: readonly string[];
  readonly capacity: number;
  /**
   * Binds one leg to its seat. Everything that came with the leg must be released after it emits `closed`
   * (exactly once), which it also does after a `close` command. The answer to `begin` is a `description` with id 0,
   * emitted before or after `take` resolves.
   */
  take(request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<Leg>;
  /** Ticket addresses, for agents that listen on their own (RTMP). */
  ticketUrl?(ask: TicketRequest, token: string): string;
  close(): Promise<void>;
}

/** The plug-in: a folder, one line in main.ts, and passing test/contract. */
export interface Gateway<C = unknown> {
  readonly contract: typeof CONTRACT;
  readonly name: string;
  /** Strict schema of this gateway's slice of the config, every key described. */
  readonly config: ZodType<C>;
  /** Where its agent runs: beside the other agents, or with the fronts because it needs their HTTP server (STOMP). */
  readonly home: 'agent' | 'front';
  front?(host: Host, config: C): Front;
  /** For `roombridge check`: asks what the config names whether it answers. */
  check?(config: C, clock: Clock): Promise<readonly Finding[]>;
  agent?(host: Host, config: C, id: string): Agent;
}

export const defineGateway = <C>(g: Gateway<C>): Gateway<C> => g;
