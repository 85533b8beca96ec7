import type { Host, LegDrill, LegEvent, LegRequest, Seat } from '../../src/contract.ts';
import type { PhoneCodec } from '../../src/proto/sdp/audio.ts';
import type { KeyingLocal } from '../../src/proto/sdp/keying.ts';
import type { VideoLocal } from '../../src/proto/sdp/video.ts';
import type { LineOptions } from './rtp-line.ts';

/** What a leg is made of. */
export interface LegOptions {
  readonly host: Host;
  readonly request: LegRequest;
  readonly seat: Seat;
  readonly emit: (e: LegEvent) => void;
  readonly codecs: readonly PhoneCodec[];
  /** Empty: none is offered or taken. */
  readonly videoCodecs: VideoLocal['codecs'];
  readonly videoBps: number;
  readonly keying: KeyingLocal;
  /** What we write into descriptions for this peer. */
  readonly address: string;
  readonly sessionId: string;
  readonly line: Omit<LineOptions, 'failed' | 'unprotected'>;
  /** Impairs all its lines. */
  readonly drill: (d: LegDrill | null) => void;
  /** Into the ladder. */
  readonly note: (summary: string) => void;
  /** Told once, when everything is released. */
  readonly gone: () => void;
}
