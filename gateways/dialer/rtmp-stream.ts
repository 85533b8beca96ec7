import { randomBytes } from 'node:crypto';
import type { Clock, Millis } from '../../src/contract.ts';
import { drive } from '../../src/io/drive.ts';
import { connectTcp } from '../../src/io/tcp.ts';
import { type Refusal, refuse } from '../../src/kit/refusal.ts';
import { type ClientInput, type ClientOutput, ClientSession } from '../../src/proto/rtmp/client-session.ts';

const LIMITS = { maxQueueBytes: 4 * 1024 * 1024, lingerMs: 500 };
const START_MS = 10_000;

export interface RtmpStreamOptions {
  /** Numeric, or a name. */
  readonly host: string;
  readonly port: number;
  readonly mode: 'publish' | 'play';
  /** What stands behind `room/` in the address, with its query. */
  readonly name: string;
  readonly clock: Clock;
  /** The TCP connection stands. */
  readonly connected?: () => void;
  /** Media and metadata that come. */
  readonly media?: (m: Extract<ClientOutput, { type: 'media' }>, now: Millis) => void;
}

export interface RtmpStream {
  /** Resolves with the reason when it is over. */
  readonly gone: Promise<string>;
  send(input: ClientInput): void;
  /** Idempotent. */
  close(): void;
}

/**
 * Connects, and publishes or plays; resolves when the server has said that it goes ahead. Rejects with a Refusal:
 * reason `connection-lost` when the connection broke, else the server's own code and words.
 */
export async function openRtmpStream(o: RtmpStreamOptions): Promise<RtmpStream> {
  const { host, port, mode, name, clock } = o;
  const session = new ClientSession({
    random: randomBytes,
    mode,
    app: 'room',
    name,
    tcUrl: `rtmp://${host.includes(':') ? `[${host}]` : host}:${port}/room`,
    chunkSize: 4096,
    timeoutMs: START_MS,
  });
  let over = (_why: string): void => {};
  const gone = new Promise<string>(done => (over = done));
  let ready = (): void => {};
  let refused = (_why: Refusal): void => {};
  const started = new Promise<void>((done, fail) => {
    ready = done;
    refused = fail;
  });
  const tcp = await connectTcp(host, port, LIMITS, clock, {
    data: bytes => driving.feed({ type: 'bytes', bytes }),
    closed(error) {
      driving.stop();
      const why = error ?? 'The RTMP connection was closed.';
      refused(refuse('upstream', 'connection-lost', why));
      over(why);
    },
  });
  const driving = drive<ClientInput, ClientOutput>(session, clock, out => {
    if (out.type === 'write') tcp.write(out.bytes);
    else if (out.type === 'media') o.media?.(out, clock.now());
    else if (out.type === 'ready') ready();
    else if (out.type === 'end') {
      refused(refuse('upstream', out.why.reason, out.why.text ?? out.why.reason));
      over(out.why.text ?? out.why.reason);
      tcp.end();
    }
  });
  o.connected?.();
  driving.feed({ type: 'start' });
  try {
    await started;
  } catch (error) {
    tcp.end();
    throw error;
  }
  return { gone, send: input => driving.feed(input), close: () => driving.feed({ type: 'stop' }) };
}
