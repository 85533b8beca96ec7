import type { Termination } from '../../kit/refusal.ts';
import { type Message, MessageType, readU24, readU32 } from './message.ts';

/**
 * RTMP chunk stream, receiving side. RTMP 1.0 §5.3.
 * ```
 * basic header          message header (by fmt)                             extended
 * |fmt| csid 6 |        0: time 3 | length 3 | type 1 | stream 4 (LE)       time 4, when
 * |fmt| 0 | csid-64 |   1: delta 3 | length 3 | type 1                      the 3-byte field
 * |fmt| 1 | csid-64 LE| 2: delta 3                                          is ff ff ff
 *                       3: nothing: as the chunk before
 * ```
 */
export interface ReaderLimits {
  readonly maxChunkStreams: number;
  /** Of all unfinished messages together. */
  readonly maxBufferedBytes: number;
  /** Longest message by type; `0` stands for every type not named. */
  readonly maxMessageBytes: Readonly<Record<number, number>>;
}

const DEFAULT_LIMITS: ReaderLimits = {
  maxChunkStreams: 64,
  maxBufferedBytes: 8 * 1024 * 1024,
  maxMessageBytes: {
    0: 64 * 1024, // commands, metadata, audio, control
    [MessageType.video]: 4 * 1024 * 1024,
    [MessageType.aggregate]: 4 * 1024 * 1024,
  },
};

const HEADER_BYTES = [11, 7, 3, 0] as const;
const EXTENDED = 0xffffff;
/** What a stranger's length field alone can make us allocate. */
const FIRST_ALLOCATION = 16 * 1024;

class ChunkStream {
  timestamp = 0;
  /** Of the last header, for type 3 (§5.3.1.2.4: after a type 0 the delta is that timestamp itself). */
  delta = 0;
  extended = false;
  length = 0;
  type = 0;
  streamId = 0;
  /** Message under way: its buffer (grows towards `length`) and what is filled; undefined between messages. */
  body: Uint8Array | undefined;
  filled = 0;
}

const fault = (reason: string, text: string): Termination => ({ blame: 'client', reason, text });

export class ChunkReader {
  /** §5.4.1: 128 until the peer says otherwise. */
  #chunkSize = 128;
  #carry: Uint8Array = new Uint8Array(0);
  /** The chunk whose payload is being copied, and how much of it is missing. */
  #current: ChunkStream | undefined;
  #missing = 0;
  #buffered = 0;
  readonly #streams = new Map<number, ChunkStream>();
  readonly #limits: ReaderLimits;
  constructor(limits: ReaderLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes any piece of the byte stream and hands on every message it completes; Set Chunk Size and Abort act here.
   * Returns why the connection must end, if so; then never call it again.
   */
  read(bytes: Uint8Array, on: (m: Message) => void): Termination | undefined {
    const b = this.#carry.length === 0 ? bytes : Buffer.concat([this.#carry, bytes]);
    let at = 0;
    for (;;) {
      if (this.#current !== undefined) {
        const take = Math.min(this.#missing, b.length - at);
        this.#append(this.#current, b.subarray(at, at + take));
        at += take;
        this.#missing -= take;
        if (this.#missing > 0) break;
        const trouble = this.#chunkDone(this.#current, on);
        if (trouble !== undefined) return trouble;
        this.#current = undefined;
      }
      if (at === b.length) break;
      const used = this.#header(b, at);
      if (used === undefined) break;
      if (typeof used !== 'number') return used;
      at += used;
    }
    // At most an unfinished header (17 bytes) is left over; a copy, since `bytes` is borrowed.
    this.#carry = at === b.length ? new Uint8Array(0) : b.slice(at);
    return undefined;
  }

  /** Reads one chunk header: its length, undefined when more bytes are needed, or the fault. */
  #header(b: Uint8Array, start: number): number | Termination | undefined {
    const have = b.length - start;
    const first = b[start] as number;
    const fmt = (first >> 6) as 0 | 1 | 2 | 3;
    let csid = first & 0x3f;
    let at = start + 1;
    if (csid < 2) {
      if (have < 2 + csid) return undefined;
      // §5.3.1.1: 0: one more byte; 1: two more, low byte first.
      csid = 64 + (b[at] as number) + (csid === 1 ? (b[at + 1] as number) * 256 : 0);
      at += (first & 0x3f) + 1;
    }
    const known = this.#streams.get(csid);
    if (known === undefined && fmt !== 0) {
      // Some encoders open a chunk stream with type 1; a stream that never had a length cannot be read at all.
      if (fmt !== 1)
        return fault(
          'rtmp-chunk-header',
          `Chunk stream ${csid} began without a full header (RTMP §5.3.1.2).`,
        );
    }
    if (have < at - start + HEADER_BYTES[fmt]) return undefined;
    const extended = fmt === 3 ? known!.extended : readU24(b, at) === EXTENDED;
    if (extended && have < at - start + HEADER_BYTES[fmt] + 4) return undefined;
    const stream = known ?? this.#open(csid);
    if (stream === undefined)
      return fault(
        'rtmp-chunk-streams',
        `More than ${this.#limits.maxChunkStreams} chunk streams on one connection.`,
      );
    return this.#apply(stream, fmt, b, at, extended, start);
  }

  #apply(
    stream: ChunkStream,
    fmt: 0 | 1 | 2 | 3,
    b: Uint8Array,
    at: number,
    extended: boolean,
    start: number,
  ): number | Termination {
    const begins = stream.body === undefined;
    if (!begins && fmt !== 3)
      // A new header inside a message: the sender gave the old one up without saying so (§5.4.2 would be Abort).
      this.#drop(stream);
    if (fmt < 3) {
      const field = readU24(b, at);
      if (fmt < 2) {
        stream.length = readU24(b, at + 3);
        stream.type = b[at + 6] as number;
      }
      // The only little-endian field of RTMP (§5.3.1.2.1).
      if (fmt === 0)
        stream.streamId =
          ((b[at + 7] as number) |
            ((b[at + 8] as number) << 8) |
            ((b[at + 9] as number) << 16) |
            ((b[at + 10] as number) << 24)) >>>
          0;
      at += HEADER_BYTES[fmt];
      stream.extended = extended;
      stream.delta = extended ? readU32(b, at) : field;
      if (extended) at += 4;
      stream.timestamp = fmt === 0 ? stream.delta : (stream.timestamp + stream.delta) >>> 0;
    } else {
      // §5.3.1.3 repeats the extended timestamp in type 3; old encoders do not inside a message. A continuation whose
      // four bytes are not that timestamp is taken for payload.
      if (extended && (begins || readU32(b, at) === stream.delta)) at += 4;
      if (begins) stream.timestamp = (stream.timestamp + stream.delta) >>> 0;
    }
    return this.#begin(stream) ?? at - start;
  }

  /** Enters the payload of a chunk of `stream`, beginning a message when none is under way. */
  #begin(stream: ChunkStream): Termination | undefined {
    if (stream.body === undefined) {
      const max = this.#limits.maxMessageBytes[stream.type] ?? (this.#limits.maxMessageBytes[0] as number);
      if (stream.length > max)
        return fault(
          'rtmp-message-too-long',
          `A message of type ${stream.type} announced ${stream.length} bytes; the limit is ${max}.`,
        );
      stream.body = new Uint8Array(Math.min(stream.length, FIRST_ALLOCATION));
      stream.filled = 0;
    }
    this.#current = stream;
    this.#missing = Math.min(this.#chunkSize, stream.length - stream.filled);
    if (this.#buffered + this.#missing > this.#limits.maxBufferedBytes)
      return fault('rtmp-buffer-full', 'Too many unfinished messages on one connection.');
    return undefined;
  }

  #append(stream: ChunkStream, bytes: Uint8Array): void {
    let body = stream.body as Uint8Array;
    const need = stream.filled + bytes.length;
    if (need > body.length) {
      const grown = new Uint8Array(Math.min(stream.length, Math.max(need, body.length * 2)));
      grown.set(body.subarray(0, stream.filled));
      stream.body = body = grown;
    }
    body.set(bytes, stream.filled);
    stream.filled = need;
    this.#buffered += bytes.length;
  }

  #chunkDone(stream: ChunkStream, on: (m: Message) => void): Termination | undefined {
    if (stream.filled < stream.length) return undefined;
    const payload = stream.body as Uint8Array;
    this.#drop(stream);
    if (stream.type === MessageType.setChunkSize) return this.#setChunkSize(payload);
    if (stream.type === MessageType.abort) {
      const aborted = payload.length >= 4 ? this.#streams.get(readU32(payload, 0)) : undefined;
      if (aborted !== undefined) this.#drop(aborted);
      return undefined;
    }
    on({ type: stream.type, streamId: stream.streamId, timestamp: stream.timestamp, payload });
    return undefined;
  }

  /** §5.4.1: 31 bits, at least 1; beyond the longest message it makes no difference. */
  #setChunkSize(payload: Uint8Array): Termination | undefined {
    const size = payload.length >= 4 ? readU32(payload, 0) : 0;
    if (size < 1 || size > 0x7fffffff)
      return fault('rtmp-chunk-size', `A chunk size of ${size} is not possible (RTMP §5.4.1).`);
    this.#chunkSize = size;
    return undefined;
  }

  #drop(stream: ChunkStream): void {
    this.#buffered -= stream.filled;
    stream.body = undefined;
    stream.filled = 0;
  }

  #open(csid: number): ChunkStream | undefined {
    if (this.#streams.size >= this.#limits.maxChunkStreams) return undefined;
    const stream = new ChunkStream();
    this.#streams.set(csid, stream);
    return stream;
  }
}
