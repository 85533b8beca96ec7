import type { Core, Millis, Tick } from '../../kit/core.ts';
import { NEVER } from '../../kit/core.ts';
import type { Termination } from '../../kit/refusal.ts';
import { type Amf, EcmaArray, numberOf, objectOf, stringOf } from './amf0.ts';
import { ServerHandshake } from './handshake.ts';
import { type LinkEvent, metadataOf, RtmpLink } from './link.ts';
import { UserControl } from './message.ts';
import type { ServerInput, ServerOptions, ServerOutput } from './server-types.ts';
import { type StatusCode, statusInfo } from './status.ts';

/** A connection may ask for so many stream ids; it can use one. */
const MAX_STREAM_IDS = 16;

type State = 'handshake' | 'connecting' | 'connected' | 'asked' | 'publishing' | 'playing' | 'ended';
type Command = Extract<LinkEvent, { type: 'command' }>;

/**
 * The server side of one RTMP connection: handshake, NetConnection, one NetStream that publishes or plays.
 * ```
 * handshake ─► connecting ─connect► connected ─publish|play► asked ─accept► publishing | playing ─► ended
 *                                                              └refuse► ended
 * ```
 */
export class ServerSession implements Core<ServerInput, ServerOutput> {
  deadline: Millis;
  #state: State = 'handshake';
  readonly #handshake: ServerHandshake;
  readonly #link: RtmpLink;
  readonly #out: ServerOutput[] = [];
  readonly #options: ServerOptions;
  #app = '';
  #tcUrl = '';
  #streamIds = 0;
  #stream = 0;
  #asked: 'publish' | 'play' = 'publish';
  #lastHeard: Millis;
  constructor(options: ServerOptions, now: Millis) {
    this.#options = options;
    this.#handshake = new ServerHandshake(options.random);
    this.#link = new RtmpLink(options.limits);
    this.deadline = now + options.handshakeTimeoutMs;
    this.#lastHeard = now;
  }

  handle(input: ServerInput | Tick, now: Millis): void {
    if (this.#state === 'ended') return;
    switch (input.type) {
      case 'bytes':
        this.#lastHeard = now;
        return this.#bytes(input.bytes, now);
      case 'tick':
        return this.#tick(now);
      case 'accept':
        return this.#accept(now);
      case 'refuse':
        this.#status(input.code, input.text);
        return this.#end({ blame: 'client', reason: 'refused', text: input.text });
      case 'status':
        return this.#status(input.code, input.text);
      case 'metadata':
        return this.#link.data(this.#stream, 0, 'onMetaData', new EcmaArray(input.values));
      case 'media':
        return this.#link.media(this.#stream, input.media, input.timestampMs, input.parts);
      case 'close':
        return this.#close(input.why);
    }
  }

  /** Bytes first, all that are waiting in one piece; then what happened. */
  poll(): ServerOutput | undefined {
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
      if (step.fault !== undefined) return this.#end(step.fault);
      rest = step.rest;
      if (rest === undefined) return;
      this.#state = 'connecting';
    }
    const trouble = this.#link.receive(rest, e => this.#event(e));
    if (trouble !== undefined && !this.#over) this.#close(trouble); // junk after the goodbye is nobody's any more
  }

  get #over(): boolean {
    return this.#state === 'ended';
  }

  #tick(now: Millis): void {
    if (now < this.deadline) return;
    if (this.#state === 'publishing') {
      const quietMs = now - this.#lastHeard;
      const { idleTimeoutMs } = this.#options;
      if (quietMs >= idleTimeoutMs)
        return this.#close({
          blame: 'client',
          reason: 'connection-lost',
          text: `The publisher sent nothing for ${Math.round(quietMs / 1000)} s.`,
        });
      // Half way, ask: a publisher with camera and microphone off still answers a ping.
      if (quietMs >= idleTimeoutMs / 2) this.#link.userControl(UserControl.pingRequest, Math.floor(now));
      this.deadline =
        quietMs >= idleTimeoutMs / 2 ? this.#lastHeard + idleTimeoutMs : this.#lastHeard + idleTimeoutMs / 2;
    } else if (this.#state === 'playing' || this.#state === 'asked') this.deadline = NEVER;
    else
      this.#end({
        blame: 'client',
        reason: 'handshake-timeout',
        text: `No publish or play within ${this.#options.handshakeTimeoutMs} ms of connecting.`,
      });
  }

  #event(e: LinkEvent): void {
    if (this.#state === 'ended') return;
    switch (e.type) {
      case 'command':
        return this.#command(e);
      case 'audio':
      case 'video':
        // Clients may send before Publish.Start has reached them.
        if (this.#asked === 'publish' && (this.#state === 'publishing' || this.#state === 'asked'))
          this.#out.push({ type: 'media', media: e.type, timestampMs: e.timestampMs, body: e.body });
        else this.#out.push({ type: 'junk', reason: 'media-before-publish' });
        return;
      case 'data':
        return this.#data(e.values);
      case 'junk':
        this.#out.push({ type: 'junk', reason: e.reason });
        return;
      case 'control':
        return; // buffer lengths and the like: nothing here depends on them
    }
  }

  #data(values: readonly Amf[]): void {
    const metadata = metadataOf(values);
    if (metadata !== undefined) this.#out.push({ type: 'metadata', values: metadata });
  }

  #command(c: Command): void {
    if (this.#state === 'connecting' && c.name !== 'connect') {
      this.#out.push({ type: 'junk', reason: 'command-before-connect' });
      return this.#error(c.txn, 'Say connect first.');
    }
    switch (c.name) {
      case 'connect':
        return this.#connect(c);
      case 'createStream':
        return this.#createStream(c.txn);
      case 'publish':
      case 'play':
        return this.#ask(c, c.name);
      case 'FCPublish':
        return this.#link.command(
          0,
          'onFCPublish',
          0,
          null,
          statusInfo('NetStream.Publish.Start', stringOf(c.args[1])),
        );
      case 'FCSubscribe':
        return this.#link.command(
          0,
          'onFCSubscribe',
          0,
          null,
          statusInfo('NetStream.Play.Start', stringOf(c.args[1])),
        );
      case 'releaseStream':
      case '_checkbw':
        return this.#result(c.txn, undefined);
      case 'getStreamLength':
        return this.#result(c.txn, 0); // live: no length
      case 'pause':
      case 'pauseRaw':
        return this.#pause(c.args[1] === true);
      case 'seek':
        return this.#status('NetStream.Seek.Failed', 'This is live: there is nothing to seek in.');
      case 'receiveAudio':
      case 'receiveVideo':
        this.#out.push({
          type: 'receive',
          media: c.name === 'receiveAudio' ? 'audio' : 'video',
          on: c.args[1] !== false,
        });
        return;
      case 'FCUnpublish':
      case 'closeStream':
      case 'deleteStream':
        return this.#stop(c);
      case 'setDataFrame': // some clients send metadata as a command
        return this.#data(c.args.slice(1));
      case '_result':
      case '_error':
      case 'onStatus':
        return;
      default:
        this.#out.push({ type: 'junk', reason: 'command' });
        this.#error(c.txn, 'This server has no such command.');
    }
  }

  #connect(c: Command): void {
    if (this.#state !== 'connecting') return this.#error(c.txn, 'Already connected.');
    const wish = objectOf(c.args[0]);
    this.#app = stringOf(wish?.app);
    this.#tcUrl = stringOf(wish?.tcUrl);
    const { rejectWith } = this.#options;
    if (rejectWith !== undefined) {
      this.#link.command(0, '_error', c.txn, null, statusInfo('NetConnection.Connect.Rejected', rejectWith));
      return this.#end({ blame: 'server', reason: 'rejected', text: rejectWith });
    }
    this.#state = 'connected';
    this.#link.open(this.#options.chunkSize);
    this.#link.userControl(UserControl.streamBegin, 0);
    this.#link.command(
      0,
      '_result',
      c.txn,
      { fmsVer: 'FMS/4,5,0,1', capabilities: 31 },
      // Object encoding 0: we answer in AMF 0, which every client reads.
      statusInfo('NetConnection.Connect.Success', 'Connected.', { objectEncoding: 0 }),
    );
  }

  #createStream(txn: number): void {
    if (this.#streamIds >= MAX_STREAM_IDS) return this.#error(txn, 'Too many streams on one connection.');
    this.#result(txn, ++this.#streamIds);
  }

  #ask(c: Command, what: 'publish' | 'play'): void {
    const bad = what === 'publish' ? 'NetStream.Publish.BadName' : 'NetStream.Play.Failed';
    const name = stringOf(c.args[1]);
    if (this.#state !== 'connected') {
      const text = 'This connection already carries a stream; open another connection for another stream.';
      return this.#link.command(c.streamId, 'onStatus', 0, null, statusInfo(bad, text));
    }
    this.#stream = c.streamId;
    this.#asked = what;
    this.#state = 'asked';
    this.deadline = NEVER; // the answer is the server's own business now
    this.#out.push({ type: what, app: this.#app, name, tcUrl: this.#tcUrl });
  }

  #accept(now: Millis): void {
    if (this.#state !== 'asked') return;
    this.#link.userControl(UserControl.streamBegin, this.#stream);
    if (this.#asked === 'publish') {
      this.#state = 'publishing';
      this.deadline = now + this.#options.idleTimeoutMs / 2;
      return this.#status('NetStream.Publish.Start', 'Publishing.');
    }
    this.#state = 'playing';
    this.#status('NetStream.Play.Reset', 'Playing.');
    this.#status('NetStream.Play.Start', 'Playing.');
    // Flash-born players show no picture without it.
    this.#link.data(this.#stream, 0, '|RtmpSampleAccess', true, true);
  }

  #pause(on: boolean): void {
    if (this.#state !== 'playing') return;
    this.#status(on ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify', on ? 'Paused.' : 'Playing.');
    this.#out.push({ type: 'pause', on });
  }

  #stop(c: Command): void {
    // deleteStream names its stream as an argument, closeStream by the message (§7.2.2.3), FCUnpublish by name.
    const stream =
      c.name === 'deleteStream' ? numberOf(c.args[1]) : c.name === 'closeStream' ? c.streamId : this.#stream;
    if (stream !== this.#stream || this.#state === 'connected') return;
    if (this.#state === 'publishing') this.#status('NetStream.Unpublish.Success', 'Unpublished.');
    else if (this.#state === 'playing') this.#status('NetStream.Play.Stop', 'Stopped.');
    this.#end({ blame: 'none', reason: 'hung-up', text: `The client sent ${c.name}.` });
  }

  #close(why: Termination): void {
    const text = why.text ?? why.reason;
    if (this.#state === 'playing') {
      this.#status('NetStream.Play.UnpublishNotify', text);
      this.#link.userControl(UserControl.streamEof, this.#stream);
    }
    if (this.#state !== 'handshake')
      this.#link.command(0, 'onStatus', 0, null, statusInfo('NetConnection.Connect.Closed', text));
    this.#end(why);
  }

  #end(why: Termination): void {
    this.#state = 'ended';
    this.deadline = NEVER;
    this.#out.push({ type: 'end', why });
  }

  #status(code: StatusCode, text: string): void {
    this.#link.command(this.#stream, 'onStatus', 0, null, statusInfo(code, text));
  }

  #result(txn: number, value: Amf): void {
    this.#link.command(0, '_result', txn, null, value);
  }

  #error(txn: number, text: string): void {
    this.#link.command(0, '_error', txn, null, statusInfo('NetConnection.Call.Failed', text));
  }
}
