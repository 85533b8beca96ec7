import type { Termination } from '../../kit/refusal.ts';
import type { AmfObject } from './amf0.ts';
import type { ReaderLimits } from './chunk-reader.ts';
import type { Random } from './handshake.ts';
import type { StatusCode } from './status.ts';

export interface ServerOptions {
  readonly random: Random;
  /** Chunk size we send with, bytes. */
  readonly chunkSize: number;
  /** From the first byte possible to `publish` or `play`. */
  readonly handshakeTimeoutMs: number;
  /** A publisher that sends nothing for so long is gone. */
  readonly idleTimeoutMs: number;
  readonly limits?: ReaderLimits;
  /** Answer `connect` with NetConnection.Connect.Rejected and this sentence: the server is full or going away. */
  readonly rejectWith?: string;
}

export type ServerInput =
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  /** The answer to `publish` or `play`. */
  | { readonly type: 'accept' }
  | { readonly type: 'refuse'; readonly code: StatusCode; readonly text: string }
  | { readonly type: 'status'; readonly code: StatusCode; readonly text: string }
  | { readonly type: 'metadata'; readonly values: AmfObject }
  /** To the player. `parts` are the FLV tag body in order. */
  | {
      readonly type: 'media';
      readonly media: 'audio' | 'video';
      readonly timestampMs: number;
      readonly parts: readonly Uint8Array[];
    }
  /** Tells the peer why, then ends. */
  | { readonly type: 'close'; readonly why: Termination };

export type ServerOutput =
  | { readonly type: 'write'; readonly bytes: Uint8Array }
  /** To be answered by `accept` or `refuse`. `app` and `name` are as the client split them, queries included. */
  | { readonly type: 'publish' | 'play'; readonly app: string; readonly name: string; readonly tcUrl: string }
  /** From the publisher; `body` is an FLV tag body, the receiver's to keep. */
  | {
      readonly type: 'media';
      readonly media: 'audio' | 'video';
      readonly timestampMs: number;
      readonly body: Uint8Array;
    }
  | { readonly type: 'metadata'; readonly values: AmfObject }
  /** The player paused or went on; `receive` switches one medium. */
  | { readonly type: 'pause'; readonly on: boolean }
  | { readonly type: 'receive'; readonly media: 'audio' | 'video'; readonly on: boolean }
  | { readonly type: 'junk'; readonly reason: string }
  /** Nothing more comes: close the socket once all is written. */
  | { readonly type: 'end'; readonly why: Termination };
