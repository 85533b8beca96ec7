/**
 * What is spent against loss, chosen by replay (../policy/) and set on the media plane from outside. A policy holds
 * for all tracks of its kind in one direction of a session and may change between any two packets.
 */
export interface AudioPolicy {
  readonly kind: 'audio';
  /** Index into RED_PATTERNS: which earlier packets each packet carries again. */
  readonly pattern: number;
  /** How often each packet is sent, 5 ms apart. */
  readonly copies: 1 | 2 | 3 | 4;
  /** Copies leave together: spaced ones would miss the playout time. */
  readonly atOnce?: boolean;
  /** Every packet goes over the best path and the most disjoint other one. */
  readonly twoPaths: boolean;
  /** Lost packets that are asked for are sent again. */
  readonly nack: boolean;
}

export interface VideoPolicy {
  readonly kind: 'video';
  /** How often a packet that was asked for is sent again; 0: requests are not answered. */
  readonly nackCopies: 0 | 1 | 2 | 3;
  /** Repair packets for each packet of: key frames and configuration, temporal layer 0, the layers above. */
  readonly repair: readonly [number, number, number];
  readonly copies: 1 | 2;
  readonly twoPaths: boolean;
}

export type MediaPolicy = AudioPolicy | VideoPolicy;

/** Nothing is spent. */
export const PLAIN_AUDIO: AudioPolicy = {
  kind: 'audio',
  pattern: 0,
  copies: 1,
  twoPaths: false,
  nack: false,
};
/** Only what is asked for is sent again. */
export const PLAIN_VIDEO: VideoPolicy = {
  kind: 'video',
  nackCopies: 1,
  repair: [0, 0, 0],
  copies: 1,
  twoPaths: false,
};
