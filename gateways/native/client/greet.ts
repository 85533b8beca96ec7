import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../../src/contract.ts';
import { Refusal, refuse, terminationOf } from '../../../src/kit/refusal.ts';
import type { Suite } from '../../../src/proto/artp/keys.ts';
import { CONNECTION_BYTES } from '../../../src/proto/artp/trailer.ts';
import { type HelloAck, readHelloAck, writeHello } from '../hello.ts';
import type { Pipe, PipeHandlers } from '../pipe.ts';
import { type Opened, openTls, openWebSocket } from './pipes.ts';
import type { Target } from './target.ts';
import type { Trust } from './trust.ts';

/** The answer may wait for the room. */
const ANSWER_MS = 10_000;
/** Any further way is tried this long after the one before. */
const NEXT_WAY_MS = 1500;

export interface GreetOptions extends Trust {
  readonly target: Target;
  readonly user: string;
  readonly display?: string;
  readonly token?: string;
  readonly roles?: readonly ('send' | 'receive')[];
  readonly suites: readonly Suite[];
  /** Where a WebSocket may be had; undefined: none is tried. */
  readonly webSocket: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Packets that come by the stream. */
  readonly packet: (bytes: Buffer, pipe: Pipe) => void;
  readonly closed: (pipe: Pipe) => void;
  /** What is being done, for a progress line. */
  readonly say: (text: string) => void;
}

export interface Greeted {
  readonly ack: HelloAck;
  /** Id of what the server sends us. */
  readonly connection: Buffer;
  /** The stream HELLO went by; a HELLO over UDP leaves none. */
  readonly pipe: Pipe | undefined;
  /** `tls`, `websocket`, `dtls`. */
  readonly way: string;
  /** Why the certificate proves nothing; undefined: it does. */
  readonly taken: string | undefined;
}

/** One way to say HELLO. */
export type Way = (hello: object, signal: AbortSignal) => Promise<Omit<Greeted, 'connection'>>;

/**
 * Says HELLO by TLS; should that not be answered at once, by every other way, too. The server knows them for one
 * joining. Rejects with the Refusal of the server, or of the first way when none gets through.
 */
export async function greet(o: GreetOptions, more: readonly Way[] = []): Promise<Greeted> {
  const connection = randomBytes(CONNECTION_BYTES);
  const { user, display, token, suites, target } = o;
  const hello = writeHello({
    room: target.room,
    user,
    ...(display !== undefined && { display }),
    ...(token !== undefined && { token }),
    connection,
    attempt: randomBytes(16).toString('hex'),
    suites: [...suites],
    ...(o.roles !== undefined && { roles: [...o.roles] }),
  });
  const ways: Way[] = [
    (h, signal) => byTls(o, h, signal),
    ...more,
    ...(o.webSocket === undefined
      ? []
      : [(h: object, signal: AbortSignal) => byWebSocket(o, o.webSocket as string, h, signal)]),
  ];
  return { ...(await race(ways, hello, o)), connection };
}

/** Starts them one after the other, the next at once when one has failed. The first answer counts, a refusal too. */
function race(ways: readonly Way[], hello: object, o: GreetOptions): Promise<Omit<Greeted, 'connection'>> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  o.signal.addEventListener('abort', abort);
  return new Promise<Omit<Greeted, 'connection'>>((done, fail) => {
    const faults: Refusal[] = [];
    let started = 0;
    let over = false;
    let undo = (): void => {};
    const end = (act: () => void): void => {
      if (over) return;
      over = true;
      undo();
      act();
      stop.abort();
    };
    const next = (): void => {
      undo();
      const way = ways[started];
      if (way === undefined || over) return;
      started++;
      way(hello, stop.signal).then(
        greeted => {
          if (over) greeted.pipe?.destroy();
          else end(() => done(greeted));
        },
        error => {
          const why = terminationOf(error);
          if (!(error instanceof Refusal) || !UNREACHED.has(why.reason)) return end(() => fail(error));
          faults.push(error);
          if (faults.length === ways.length) end(() => fail(allOf(faults)));
          else next();
        },
      );
      undo = o.clock.at(o.clock.now() + NEXT_WAY_MS, next);
    };
    if (o.signal.aborted) fail(refuse('none', 'cancelled', 'Cancelled before the server was asked.'));
    else next();
    stop.signal.addEventListener('abort', () =>
      end(() => fail(refuse('none', 'cancelled', 'Cancelled before the server answered.'))),
    );
  }).finally(() => o.signal.removeEventListener('abort', abort));
}

/** Why no way leads there: the first fault, in the words of all. */
const allOf = (faults: readonly Refusal[]): Refusal =>
  new Refusal({ ...(faults[0] as Refusal).why, text: faults.map(f => f.message).join(' ') });

/** A way that does not lead there: another may. A certificate that is wrong, or a refusal, is an answer. */
const UNREACHED = new Set(['connect-failed', 'connection-lost', 'no-answer']);

function byTls(o: GreetOptions, hello: object, signal: AbortSignal): Promise<Omit<Greeted, 'connection'>> {
  const { host, tlsPort: port } = o.target;
  o.say(`HELLO to ${host} port ${port} (TLS)`);
  return overPipe('tls', o, hello, on => openTls({ ...o, signal, host, port }, on));
}

function byWebSocket(o: GreetOptions, url: string, hello: object, signal: AbortSignal) {
  o.say(`HELLO to ${url}`);
  return overPipe('websocket', o, hello, on => openWebSocket({ ...o, signal, url }, on));
}

/** HELLO, its answer; from then on the pipe carries packets. */
async function overPipe(
  way: string,
  o: GreetOptions,
  hello: object,
  open: (on: PipeHandlers) => Promise<Opened>,
): Promise<Omit<Greeted, 'connection'>> {
  const { pipe, taken, answer } = await openPipe(o, open);
  try {
    pipe.sendJson(hello);
    return { ack: readHelloAck(await answer), pipe, way, taken };
  } catch (error) {
    pipe.destroy();
    throw error;
  }
}

/** A pipe for the packets of a session; `answer` is the first JSON that comes. */
export async function openPipe(
  o: Pick<GreetOptions, 'clock' | 'packet' | 'closed'>,
  open: (on: PipeHandlers) => Promise<Opened>,
): Promise<Opened & { readonly answer: Promise<unknown> }> {
  let opened: Opened | undefined;
  let tell: (message: unknown) => void = () => {};
  let lose: (why: Refusal) => void = () => {};
  const answer = new Promise<unknown>((done, fail) => {
    tell = done;
    lose = fail;
  });
  answer.catch(() => {}); // nobody waits for it on a stream that is opened again
  const undo = o.clock.at(o.clock.now() + ANSWER_MS, () =>
    lose(refuse('upstream', 'no-answer', `The server did not answer HELLO in ${ANSWER_MS / 1000} s.`)),
  );
  answer.then(undo, undo);
  try {
    opened = await open({
      packet: bytes => opened && o.packet(bytes, opened.pipe),
      json: message => tell(message),
      junk: () => opened?.pipe.destroy(),
      closed: () => {
        lose(
          refuse(
            'upstream',
            'connection-lost',
            'The server closed the connection before it answered HELLO: is this its port for native members (native.tlsPort, 7101)?',
          ),
        );
        if (opened !== undefined) o.closed(opened.pipe);
      },
    });
  } catch (error) {
    lose(error as Refusal);
    throw error;
  }
  return { ...opened, answer };
}

/** Numeric; rejects with a Refusal. */
export async function resolve(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const found = await lookup(host).catch((e: NodeJS.ErrnoException) => {
    throw refuse('upstream', 'connect-failed', `${host} has no address (${e.code ?? e.message}).`);
  });
  return found.address;
}
