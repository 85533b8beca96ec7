import type { Termination } from '../../kit/refusal.ts';
import { type Amf, type AmfObject, type EcmaArray, objectOf, readAmf0, writeAmf0 } from './amf0.ts';
import { ChunkReader, type ReaderLimits } from './chunk-reader.ts';
import { ChunkStreamId, ChunkWriter } from './chunk-writer.ts';
import {
  eachOfAggregate,
  type Message,
  MessageType,
  readU32,
  UserControl,
  u32,
  userControl,
} from './message.ts';

/** What is left of the chunk stream once the link has taken protocol control for itself. */
export type LinkEvent =
  | {
      readonly type: 'command';
      readonly streamId: number;
      readonly name: string;
      readonly txn: number;
      readonly args: readonly Amf[];
    }
  | { readonly type: 'data'; readonly streamId: number; readonly values: readonly Amf[] }
  | {
      readonly type: 'audio' | 'video';
      readonly streamId: number;
      readonly timestampMs: number;
      readonly body: Uint8Array;
    }
  | { readonly type: 'control'; readonly event: number; readonly value: number }
  /** Something malformed that the connection survives. */
  | { readonly type: 'junk'; readonly reason: string };

/** The `onMetaData` of a data message; `@setDataFrame` in front of it is for servers, and some pass it on. */
export function metadataOf(values: readonly Amf[]): AmfObject | undefined {
  const [name, data] = values[0] === '@setDataFrame' ? values.slice(1) : values;
  return name === 'onMetaData' ? objectOf(data) : undefined;
}

const WINDOW_BYTES = 2_500_000;

/**
 * Both ends of an RTMP connection after the handshake: messages in and out, acknowledgements, windows, pings.
 * Bytes to send pile up in `outbox`; whoever owns the link takes them.
 */
export class RtmpLink {
  readonly outbox: Buffer[] = [];
  readonly #reader: ChunkReader;
  readonly #writer = new ChunkWriter();
  /** The peer wants an Acknowledgement after so many bytes (§5.4.4); many never say, and get one all the same. */
  #windowBytes = WINDOW_BYTES;
  #receivedBytes = 0;
  #acknowledgedBytes = 0;
  constructor(limits?: ReaderLimits) {
    this.#reader = new ChunkReader(limits);
  }

  /** Returns why the connection must end, if so. */
  receive(bytes: Uint8Array, on: (e: LinkEvent) => void): Termination | undefined {
    this.#receivedBytes += bytes.length;
    const trouble = this.#reader.read(bytes, m => this.#message(m, on));
    if (this.#receivedBytes - this.#acknowledgedBytes >= this.#windowBytes) {
      this.#acknowledgedBytes = this.#receivedBytes;
      this.#control(MessageType.acknowledgement, u32(this.#receivedBytes)); // §5.4.3: wraps at 32 bits
    }
    return trouble;
  }

  /** What either side says first: our chunk size and window. */
  open(chunkSize: number): void {
    this.#control(MessageType.windowAckSize, u32(WINDOW_BYTES));
    // Limit type 2, "dynamic" (§5.4.5): no harder limit than the peer already has.
    this.#control(MessageType.setPeerBandwidth, Buffer.concat([u32(WINDOW_BYTES), Buffer.from([2])]));
    this.setChunkSize(chunkSize);
  }

  setChunkSize(chunkSize: number): void {
    this.#control(MessageType.setChunkSize, u32(chunkSize));
    this.#writer.chunkSize = chunkSize;
  }

  userControl(event: number, ...fields: readonly number[]): void {
    this.#control(MessageType.userControl, userControl(event, ...fields));
  }

  command(streamId: number, name: string, txn: number, ...args: readonly Amf[]): void {
    const csid = streamId === 0 ? ChunkStreamId.command : ChunkStreamId.status;
    this.outbox.push(
      this.#writer.write(csid, MessageType.command, streamId, 0, writeAmf0(name, txn, ...args)),
    );
  }

  data(streamId: number, timestampMs: number, ...values: readonly (Amf | EcmaArray)[]): void {
    const body = writeAmf0(...values);
    this.outbox.push(
      this.#writer.write(ChunkStreamId.status, MessageType.data, streamId, timestampMs >>> 0, body),
    );
  }

  media(streamId: number, media: 'audio' | 'video', timestampMs: number, parts: readonly Uint8Array[]): void {
    this.outbox.push(
      this.#writer.write(ChunkStreamId[media], MessageType[media], streamId, timestampMs >>> 0, ...parts),
    );
  }

  #control(type: number, body: Buffer): void {
    this.outbox.push(this.#writer.write(ChunkStreamId.control, type, 0, 0, body));
  }

  #message(m: Message, on: (e: LinkEvent) => void): void {
    const { type, streamId, payload } = m;
    switch (type) {
      case MessageType.audio:
        return on({ type: 'audio', streamId, timestampMs: m.timestamp, body: payload });
      case MessageType.video:
        return on({ type: 'video', streamId, timestampMs: m.timestamp, body: payload });
      case MessageType.command:
        return this.#command(streamId, payload, on);
      case MessageType.commandAmf3:
        // A format byte (0), then AMF 0 which may switch to AMF 3 for a value; clients send commands in plain AMF 0.
        return this.#command(streamId, payload.subarray(1), on);
      case MessageType.data:
        return this.#data(streamId, payload, on);
      case MessageType.dataAmf3:
        return this.#data(streamId, payload.subarray(1), on);
      case MessageType.aggregate:
        if (!eachOfAggregate(m, inner => this.#inner(inner, on))) on({ type: 'junk', reason: 'aggregate' });
        return;
      case MessageType.windowAckSize:
        if (payload.length >= 4) this.#windowBytes = Math.max(1, readU32(payload, 0));
        return;
      case MessageType.userControl:
        return this.#userControl(payload, on);
      case MessageType.acknowledgement:
      case MessageType.setPeerBandwidth:
        return; // TCP holds the sender back; nothing more to limit
      default:
        on({ type: 'junk', reason: 'message-type' });
    }
  }

  #inner(m: Message, on: (e: LinkEvent) => void): void {
    if (m.type === MessageType.aggregate) on({ type: 'junk', reason: 'aggregate' });
    else this.#message(m, on);
  }

  #command(streamId: number, payload: Uint8Array, on: (e: LinkEvent) => void): void {
    const read = readAmf0(payload);
    if ('junk' in read) return on({ type: 'junk', reason: 'amf' });
    const [name, txn, ...args] = read.values;
    if (typeof name !== 'string') return on({ type: 'junk', reason: 'command-name' });
    on({ type: 'command', streamId, name, txn: typeof txn === 'number' ? txn : 0, args });
  }

  #data(streamId: number, payload: Uint8Array, on: (e: LinkEvent) => void): void {
    const read = readAmf0(payload);
    if ('junk' in read) return on({ type: 'junk', reason: 'amf' });
    on({ type: 'data', streamId, values: read.values });
  }

  #userControl(payload: Uint8Array, on: (e: LinkEvent) => void): void {
    if (payload.length < 6) return on({ type: 'junk', reason: 'user-control' });
    const event = (payload[0] as number) * 256 + (payload[1] as number);
    const value = readU32(payload, 2);
    if (event === UserControl.pingRequest) this.userControl(UserControl.pingResponse, value);
    else on({ type: 'control', event, value });
  }
}
