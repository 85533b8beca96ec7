/** Asking for legs, and what fronts and agents say to each other about them: plain JSON. */
import type { Impairment } from '../kit/impairment.ts';
import type { Termination } from '../kit/refusal.ts';
import type { Json } from './json.ts';

export type Role = 'send' | 'receive' | 'signal';
/** `resumed`: an agent of this system has sealed that this member was let in; the credential is its resume secret. */
export type Proof = 'token' | 'digest' | 'trunk' | 'ticket' | 'resumed' | 'claimed';

export interface Who {
  readonly user: string;
  readonly device?: string;
  readonly display?: string;
  /** What the front knows; `place` raises it when `credential` is good. */
  readonly proof: Proof;
  /** A room token, a ticket or a resume secret. Never logged. */
  readonly credential?: string;
  /** Its credential was good once and has expired: good for coming back to a seat it still has, and for no other. */
  readonly returning?: true;
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
  /** Should its agent die, the front places it anew (`PlacedLeg.again`): its participant is kept until the front closes it. */
  readonly outlivesAgent?: true;
  /** Its peer comes back by itself, with a leg of its own, when this one's agent or front dies: its participant is kept for that. */
  readonly returns?: true;
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
  /** Its peer can be shown what is written in the room, as `text` events; or not any more. */
  | { readonly type: 'texts'; readonly on: boolean }
  /** The peer writes to the room; answered by `said` with that `id`. */
  | { readonly type: 'say'; readonly id: number; readonly text: string }
  /**
   * Kept by the platform, not passed to the leg: what another front needs to end this leg's signalling, should this one
   * vanish. The newest counts; null: nothing any more.
   */
  | { readonly type: 'will'; readonly native: Json }
  /** To a signalling leg: something its member should know, said by another of its legs. */
  | { readonly type: 'fact'; readonly fact: Json }
  | { readonly type: 'close'; readonly why: Termination };

/** How a drill impairs the datagrams of a leg; an absent direction stays good. */
export interface LegDrill {
  readonly toMember?: Impairment;
  readonly fromMember?: Impairment;
  /** The same one has the same luck. */
  readonly seed: number;
}

/** Agent → front, log. Answers to an offer or make-offer echo its `id`; `begin` has id 0. */
export type LegEvent =
  | { readonly type: 'description'; readonly id: number; readonly native: Json }
  | { readonly type: 'refused'; readonly id: number; readonly why: Termination }
  | { readonly type: 'candidates'; readonly native: Json }
  | { readonly type: 'want-offer'; readonly why: 'content' | 'codec' | 'ice' }
  /**
   * Its agent is being emptied: the front of a leg that `outlivesAgent` is to place it anew, while this one lives; the peer
   * of one that `returns` is to be asked to come by another way.
   */
  | { readonly type: 'move' }
  /** Kept by the platform, not told the front: the participant's resume secret is another one from now on. */
  | { readonly type: 'secret'; readonly secret: string }
  | { readonly type: 'media'; readonly state: 'up' | 'silent' | 'lost' }
  | { readonly type: 'hold'; readonly by: 'peer' | 'us' | 'none' }
  | {
      readonly type: 'dtmf';
      readonly digit: string;
      readonly ms: number;
      readonly via: 'rtp' | 'inband' | 'info';
    }
  | { readonly type: 'keyframe-by-signalling' }
  /** Another member wrote this to the room; only after the command `texts`. */
  | { readonly type: 'text'; readonly from: string; readonly text: string }
  /** To the command `say` of that `id`; with a `why`: the room did not take it. */
  | { readonly type: 'said'; readonly id: number; readonly why?: Termination }
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
