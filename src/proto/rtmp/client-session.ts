import type { Core, Millis, Tick } from '../../kit/core.ts';
import { NEVER } from '../../kit/core.ts';
import type { Termination } from '../../kit/refusal.ts';
import { type Amf, type AmfObject, EcmaArray, numberOf, objectOf, stringOf } from './amf0.ts';
import { ClientHandshake, type Random } from './handshake.ts';
import { type LinkEvent, metadataOf, RtmpLink } from './link.ts';
import { UserControl } from './message.ts';

export interface ClientOptions {
  readonly random: Random;
  readonly mode: 'publish' | 'play';
  /** As the URL splits: `rtmp://host:port/<app>/<name>`; a query may ride on either. */
  readonly app: string;
  readonly name: string;
  readonly tcUrl: string;
  /** Chunk size we send with, bytes. */
  readonly chunkSize: number;
  /** From `start` to Publish.Start or Play.Start. */
  readonly timeoutMs: number;
  /** Handshake form; absent: simple. */
  readonly digest?: 0 | 1;
}

export type ClientInput =
  /** The TCP connection stands. */
  | { readonly type: 'start' }
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | { readonly type: 'metadata'; readonly values: AmfObject }
  | {
      readonly type: 'media';
      readonly media: 'audio' | 'video';
      readonly timestampMs: number;
      readonly parts: readonly Uint8Array[];
    }
  | { readonly type: 'pause'; readonly on: boolean }
  /** Unpublishes or stops playing, then ends. */
  | { readonly type: 'stop' };

export type ClientOutput =
  | { readonly type: 'write'; readonly bytes: Uint8Array }
  /** Publish.Start or Play.Start came. */
  | { readonly type: 'ready' }
  /** Every status of the server, the ones that lead to `ready` and `end` too. */
  | { readonly type: 'status'; readonly code: string; readonly text: string }
  | {
      readonly type: 'media';
      readonly media: 'audio' | 'video';
      readonly timestampMs: number;
      readonly body: Uint8Array;
    }
  | { readonly type: 'metadata'; readonly values: AmfObject }
  | { readonly type: 'junk'; readonly reason: string }
  | { readonly type: 'end'; readonly why: Termination };

type State = 'new' | 'handshake' | 'connect' | 'create' | 'start' | 'live' | 'ended';

const CONNECT_TXN = 1;
const CREATE_TXN = 4;
const PLAYER_BUFFER_MS = 200;

/** The client side of one RTMP connection that publishes or plays one stream: dialers, tests, the fake mini-program. */
export class ClientSession implements Core<ClientInput, ClientOutput> {
  deadline: Millis = NEVER;
  #state: State = 'new';
  #stream = 0;
  readonly #options: ClientOptions;
  readonly #handshake: ClientHandshake;
  readonly #link = new RtmpLink();
  readonly #out: ClientOutput[] = [];
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#handshake = new ClientHandshake(options.random, options.digest);
  }

  handle(input: ClientInput | Tick, now: Millis): void {
    if (this.#state === 'ended') return;
    switch (input.type) {
      case 'start':
        this.#state = 'handshake';
        this.deadline = now + this.#options.timeoutMs;
        this.#link.outbox.push(this.#handshake.begin(now));
        return;
      case 'bytes':
        return this.#bytes(input.bytes, now);
      case 'metadata':
        return this.#link.data(this.#stream, 0, '@setDataFrame', 'onMetaData', new EcmaArray(input.values));
      case 'media':
        return this.#link.media(this.#stream, input.media, input.timestampMs, input.parts);
      case 'pause':
        return this.#link.command(this.#stream, 'pause', 0, null, input.on, 0);
      case 'stop':
        return this.#stop();
      case 'tick':
        if (now >= this.deadline)
          this.#end(
            'upstream',
            'rtmp-timeout',
            `The server did not start the stream in ${this.#options.timeoutMs} ms.`,
          );
    }
  }

  poll(): ClientOutput | undefined {
    const { outbox } = this.#link;
    if (outbox.length === 0) return this.#out.shift();
    const bytes = outbox.length === 1 ? (outbox[0] as Buffer) : Buffer.concat(outbox);
    outbox.length = 0;
    return { type: 'write', bytes };
  }

  #bytes(bytes: Uint8Array, now: Millis): void {
    let rest: Uint8Array | undefined = bytes;
    if (this.#state === 'handshake') {
      const step = this.#handshake.read(bytes, now);
      if (step.send !== undefined) this.#link.outbox.push(step.send);
      if (step.fault !== undefined) return this.#end('upstream', step.fault.reason, step.fault.text ?? '');
      rest = step.rest;
      if (rest === undefined) return;
      this.#connect();
    }
    const trouble = this.#link.receive(rest, e => this.#event(e));
    if (trouble !== undefined) this.#end('upstream', trouble.reason, trouble.text ?? '');
  }

  #connect(): void {
    const { app, tcUrl, mode, chunkSize } = this.#options;
    this.#state = 'connect';
    this.#link.setChunkSize(chunkSize);
    this.#link.command(0, 'connect', CONNECT_TXN, {
      app,
      type: 'nonprivate',
      flashVer: mode === 'publish' ? 'FMLE/3.0 (compatible; Roombridge)' : 'LNX 9,0,124,2',
      tcUrl,
      objectEncoding: 0,
    });
  }

  #event(e: LinkEvent): void {
    if (this.#state === 'ended') return;
    if (e.type === 'command') this.#command(e.name, e.txn, e.args);
    else if (e.type === 'audio' || e.type === 'video')
      this.#out.push({ type: 'media', media: e.type, timestampMs: e.timestampMs, body: e.body });
    else if (e.type === 'data') {
      const values = metadataOf(e.values);
      if (values !== undefined) this.#out.push({ type: 'metadata', values });
    } else if (e.type === 'junk') this.#out.push({ type: 'junk', reason: e.reason });
  }

  #command(name: string, txn: number, args: readonly Amf[]): void {
    switch (`${this.#state}/${name}`) {
      case 'connect/_result':
        if (txn === CONNECT_TXN) this.#createStream();
        return;
      case 'connect/_error':
      case 'create/_error':
        // releaseStream and FCPublish may fail without harm.
        if (txn === CONNECT_TXN || txn === CREATE_TXN) this.#refused(objectOf(args[1]));
        return;
      case 'create/_result':
        if (txn === CREATE_TXN) this.#begin(numberOf(args[1]));
        return;
      default:
        if (name === 'onStatus') this.#status(objectOf(args[1]));
    }
  }

  #createStream(): void {
    const { mode, name } = this.#options;
    this.#state = 'create';
    if (mode === 'publish') {
      this.#link.command(0, 'releaseStream', 2, null, name);
      this.#link.command(0, 'FCPublish', 3, null, name);
    }
    this.#link.command(0, 'createStream', CREATE_TXN, null);
  }

  #begin(stream: number): void {
    const { mode, name } = this.#options;
    this.#state = 'start';
    this.#stream = stream;
    if (mode === 'publish') return this.#link.command(stream, 'publish', 5, null, name, 'live');
    this.#link.command(stream, 'play', 5, null, name, -2000);
    this.#link.userControl(UserControl.setBufferLength, stream, PLAYER_BUFFER_MS);
  }

  #status(info: AmfObject | undefined): void {
    const code = stringOf(info?.code);
    this.#out.push({ type: 'status', code, text: stringOf(info?.description) });
    if (code === 'NetStream.Publish.Start' || code === 'NetStream.Play.Start') {
      if (this.#state !== 'start') return;
      this.#state = 'live';
      this.deadline = NEVER;
      this.#out.push({ type: 'ready' });
    } else if (info?.level === 'error' && !code.startsWith('NetStream.Seek')) this.#refused(info);
    else if (code === 'NetConnection.Connect.Closed' || code === 'NetStream.Play.UnpublishNotify')
      this.#end('upstream', code, stringOf(info?.description));
  }

  #refused(info: AmfObject | undefined): void {
    this.#end('upstream', stringOf(info?.code) || 'rtmp-refused', stringOf(info?.description));
  }

  #stop(): void {
    const { mode, name } = this.#options;
    if (mode === 'publish' && this.#state === 'live') this.#link.command(0, 'FCUnpublish', 6, null, name);
    if (this.#stream !== 0) this.#link.command(0, 'deleteStream', 7, null, this.#stream);
    this.#end('none', 'hung-up', 'We stopped the stream.');
  }

  #end(blame: Termination['blame'], reason: string, text: string): void {
    if (this.#state === 'ended') return; // junk behind the message that ended it
    this.#state = 'ended';
    this.deadline = NEVER;
    this.#out.push({ type: 'end', why: { blame, reason, text } });
  }
}
