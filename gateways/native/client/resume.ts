import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../../../src/contract.ts';
import { openUdp } from '../../../src/io/udp.ts';
import { refuse } from '../../../src/kit/refusal.ts';
import { callResume, isResumeAck, readResumeAck } from '../../../src/proto/artp/session/resume.ts';
import { CONNECTION_BYTES, TrailerView } from '../../../src/proto/artp/trailer.ts';
import type { Pipe } from '../pipe.ts';
import { resolve } from './greet.ts';
import type { Target } from './target.ts';

/** Who is asked; the one that answers is where the member goes on. */
export interface ResumeOptions {
  readonly clock: Clock;
  readonly targets: readonly Target[];
  readonly ticket: Buffer;
  /** Of the session so far. */
  readonly secret: Uint8Array;
  /** A stream there, its packets told to `packet`. */
  readonly openStream: (t: Target, packet: (bytes: Buffer) => void) => Promise<Pipe>;
}

export interface CameBack {
  readonly target: Target;
  /** Of the server, numeric. */
  readonly address: string;
  readonly connection: Buffer;
  readonly theirs: Buffer;
  readonly secret: Buffer;
  /** When the stream was first. */
  readonly pipe: Pipe | undefined;
}

const REPEAT_MS = 200;
const ANSWER_MS = 4000;

/** Asks all of them at once, over UDP and by a stream. Rejects with a Refusal when nobody answers. */
export async function resume(o: ResumeOptions): Promise<CameBack> {
  const connection = randomBytes(CONNECTION_BYTES);
  const call = callResume({ ticket: o.ticket, secret: o.secret, connection }, randomBytes);
  const trailer = new TrailerView();
  const closers: (() => void)[] = [];
  let over = false;
  try {
    return await new Promise<CameBack>((done, fail) => {
      const heard = (target: Target, address: string, pipe: Pipe | undefined, bytes: Buffer): boolean => {
        if (over || !isResumeAck(bytes) || trailer.read(bytes) !== undefined) return false;
        const resumed = readResumeAck(bytes.subarray(0, trailer.start), call);
        if (resumed === undefined) return false;
        over = true;
        done({ target, address, connection, theirs: resumed.theirs, secret: resumed.secret, pipe });
        return true;
      };
      closers.push(
        o.clock.at(o.clock.now() + ANSWER_MS, () =>
          fail(refuse('upstream', 'no-answer', 'No agent took the member back.')),
        ),
      );
      const asking: Asking = { ...o, datagram: call.datagram, heard, closers, isOver: () => over };
      for (const ask of [byUdp, byStream])
        for (const target of o.targets) void ask(asking, target).catch(() => {}); // another one answers
    });
  } finally {
    over = true;
    for (const close of closers) close();
  }
}

interface Asking extends ResumeOptions {
  readonly datagram: Buffer;
  /** True when it is the answer. */
  readonly heard: (target: Target, address: string, pipe: Pipe | undefined, bytes: Buffer) => boolean;
  readonly closers: (() => void)[];
  readonly isOver: () => boolean;
}

async function byUdp({ clock, datagram, heard, closers, isOver }: Asking, target: Target): Promise<void> {
  const address = await resolve(target.host);
  const socket = await openUdp({
    family: isIPv6(address) ? 6 : 4,
    port: 0,
    clock,
    on: bytes => void heard(target, address, undefined, bytes),
  });
  if (isOver()) return socket.close();
  let undo = (): void => {};
  const again = (): void => {
    socket.send(datagram, datagram.length, target.udpPort, address);
    undo = clock.at(clock.now() + REPEAT_MS, again);
  };
  again();
  closers.push(() => {
    undo();
    socket.close();
  });
}

async function byStream(
  { openStream, datagram, heard, closers, isOver }: Asking,
  target: Target,
): Promise<void> {
  const address = await resolve(target.host);
  let chosen = false;
  const pipe = await openStream(target, bytes => {
    chosen ||= heard(target, address, pipe, bytes);
  });
  if (isOver()) return pipe.destroy();
  pipe.send(datagram, datagram.length);
  closers.push(() => {
    if (!chosen) pipe.destroy();
  });
}
