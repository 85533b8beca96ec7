import type { Millis, Tick } from '../../kit/core.ts';
import { type Core, NEVER } from '../../kit/core.ts';
import { RateLimit } from '../../kit/limits.ts';
import { readFrame, type StompFrame, writeFrame } from './frame.ts';

/** The client's side of a room, over one WebSocket. */
export type StompInput =
  | { type: 'message'; bytes: Buffer }
  /** Our answer to `join`. */
  | { type: 'joined'; participant: string; secret: string }
  /** A fact for the subscriber, as JSON text. */
  | { type: 'tell'; body: string }
  /** An ERROR frame, then the end. */
  | { type: 'refuse'; reason: string; text: string };

export type StompOutput =
  | { type: 'send'; text: string }
  | { type: 'join'; room: string; user: string; credential: string | undefined }
  /** A SEND to `/room/<room>/<verb>` by a joined member. */
  | { type: 'act'; verb: string; body: string }
  /** Nothing follows; the connection is to be closed. */
  | { type: 'end'; reason: string };

/** How long a client may take to say CONNECT and SUBSCRIBE, and our heart-beats both ways, ms. */
const HELLO_MS = 10_000;
const HEARTBEAT_MS = 10_000;
/** Frames a second a member may send; a person types and clicks, a flood does not. */
const FRAMES_PER_SECOND = 20;

type State = 'new' | 'connected' | 'joining' | 'joined' | 'ended';

/** Server side of STOMP 1.2: CONNECT, SUBSCRIBE `/room/<room>` = join, SEND = act, UNSUBSCRIBE or DISCONNECT = leave. */
export class StompSession implements Core<StompInput, StompOutput> {
  readonly #out: StompOutput[] = [];
  readonly #limit = new RateLimit(FRAMES_PER_SECOND, 3 * FRAMES_PER_SECOND);
  #state: State = 'new';
  #helloBy: Millis;
  #user = '';
  #credential: string | undefined;
  #subscription = '';
  #destination = '';
  #messages = 0;
  #sendEveryMs = NEVER;
  #nextBeat: Millis = NEVER;
  #lostAt: Millis = NEVER;
  #expectEveryMs = NEVER;

  constructor(now: Millis) {
    this.#helloBy = now + HELLO_MS;
  }

  poll(): StompOutput | undefined {
    return this.#out.shift();
  }
  get deadline(): Millis {
    return this.#state === 'ended' ? NEVER : Math.min(this.#helloBy, this.#nextBeat, this.#lostAt);
  }

  handle(input: StompInput | Tick, now: Millis): void {
    if (this.#state === 'ended') return;
    switch (input.type) {
      case 'message':
        return this.#message(input.bytes, now);
      case 'joined':
        if (this.#state !== 'joining') return;
        this.#state = 'joined';
        return this.#tell(
          JSON.stringify({ type: 'joined', participant: input.participant, secret: input.secret }),
        );
      case 'tell':
        return this.#tell(input.body);
      case 'refuse':
        return this.#fail(input.reason, input.text);
      case 'tick':
        return this.#tick(now);
    }
  }

  #message(bytes: Buffer, now: Millis): void {
    if (this.#expectEveryMs !== NEVER) this.#lostAt = now + 2.5 * this.#expectEveryMs; // late by a network's whim is not lost
    if (!this.#limit.take(now))
      return this.#fail('too-many-frames', `At most ${FRAMES_PER_SECOND} frames a second.`);
    const read = readFrame(bytes);
    if ('heartbeat' in read) return;
    if ('junk' in read) return this.#fail('bad-frame', `This is not a STOMP frame: ${read.junk}.`);
    this.#frame(read.frame, now);
  }

  #frame(frame: StompFrame, now: Millis): void {
    switch (`${this.#state}/${frame.command}` as const) {
      case 'new/CONNECT':
      case 'new/STOMP':
        return this.#connect(frame, now);
      case 'connected/SUBSCRIBE':
        return this.#subscribe(frame);
      case 'joined/SEND':
        return this.#act(frame);
      case 'joining/UNSUBSCRIBE': // one room a connection: who leaves it has no use for the connection
      case 'joined/UNSUBSCRIBE':
      case 'connected/DISCONNECT':
      case 'joining/DISCONNECT':
      case 'joined/DISCONNECT':
        this.#receipt(frame);
        return this.#end('hung-up');
      default:
        return this.#fail(
          'unexpected-frame',
          `${frame.command.slice(0, 40)} does not fit here (${this.#state}); the order is CONNECT, SUBSCRIBE, SEND.`,
        );
    }
  }

  #connect({ headers }: StompFrame, now: Millis): void {
    if (!(headers['accept-version'] ?? '').split(',').includes('1.2'))
      return this.#fail('unsupported-version', 'This server speaks STOMP 1.2 only.');
    this.#user = headers.login ?? '';
    this.#credential = headers.passcode || undefined;
    // Heart-beating: what the client can send and wants to get, ms; 0 means not at all.
    const [sends = 0, wants = 0] = (headers['heart-beat'] ?? '0,0').split(',').map(Number);
    if (wants > 0) this.#sendEveryMs = Math.max(wants, HEARTBEAT_MS);
    if (sends > 0) this.#expectEveryMs = Math.max(sends, HEARTBEAT_MS);
    this.#nextBeat = now + this.#sendEveryMs;
    this.#lostAt = now + 2.5 * this.#expectEveryMs;
    this.#state = 'connected';
    this.#send('CONNECTED', {
      version: '1.2',
      server: 'roombridge',
      'heart-beat': `${HEARTBEAT_MS},${HEARTBEAT_MS}`,
    });
  }

  #subscribe(frame: StompFrame): void {
    const { destination = '', id } = frame.headers;
    const room = /^\/room\/([^/]{1,256})$/.exec(destination)?.[1];
    if (room === undefined || id === undefined)
      return this.#fail('bad-destination', 'SUBSCRIBE needs an id and the destination /room/<room>.');
    this.#destination = destination;
    this.#subscription = id;
    this.#state = 'joining';
    this.#helloBy = NEVER; // it is our turn now
    this.#out.push({ type: 'join', room: decode(room), user: this.#user, credential: this.#credential });
    this.#receipt(frame);
  }

  #act(frame: StompFrame): void {
    const { destination = '' } = frame.headers;
    if (!destination.startsWith(`${this.#destination}/`))
      return this.#fail('bad-destination', `SEND goes to ${this.#destination}/<mute | text | ticket>.`);
    this.#out.push({ type: 'act', verb: destination.slice(this.#destination.length + 1), body: frame.body });
    this.#receipt(frame);
  }

  #tell(body: string): void {
    if (this.#state !== 'joined') return;
    this.#send(
      'MESSAGE',
      {
        subscription: this.#subscription,
        'message-id': String(++this.#messages),
        destination: this.#destination,
        'content-type': 'application/json',
      },
      body,
    );
  }

  #tick(now: Millis): void {
    if (now >= this.#helloBy)
      return this.#fail('too-slow', 'CONNECT and SUBSCRIBE must come within 10 seconds.');
    if (now >= this.#lostAt) return this.#end('connection-lost');
    if (now >= this.#nextBeat) {
      this.#out.push({ type: 'send', text: '\n' });
      this.#nextBeat = now + this.#sendEveryMs;
    }
  }

  #receipt(frame: StompFrame): void {
    const { receipt } = frame.headers;
    if (receipt !== undefined) this.#send('RECEIPT', { 'receipt-id': receipt });
  }
  #send(command: string, headers: Record<string, string>, body = ''): void {
    this.#out.push({ type: 'send', text: writeFrame(command, headers, body) });
  }
  #fail(reason: string, text: string): void {
    this.#send('ERROR', { message: reason, 'content-type': 'text/plain' }, text);
    this.#end(reason);
  }
  #end(reason: string): void {
    this.#state = 'ended';
    this.#out.push({ type: 'end', reason });
  }
}

/** A room name may be percent-encoded; one that decodes to nothing sensible stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
