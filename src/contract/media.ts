/** What flows: formats, packets, tracks. */

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
