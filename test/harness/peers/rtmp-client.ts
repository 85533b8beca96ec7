import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../src/contract.ts';
import { drive } from '../../../src/io/drive.ts';
import { connectTcp } from '../../../src/io/tcp.ts';
import {
  type ClientInput,
  type ClientOutput,
  ClientSession,
} from '../../../src/proto/rtmp/client-session.ts';

type Heard = Exclude<ClientOutput, { type: 'write' }>;

export interface RtmpClient {
  readonly heard: readonly Heard[];
  /** Resolves with the first thing heard, from the beginning, that matches. */
  until(what: (e: Heard) => boolean): Promise<Heard>;
  send(input: ClientInput): void;
  /** Stops reading from the network, as a player on a bad line. */
  pause(on: boolean): void;
  /** Breaks the connection without a word. */
  kill(): void;
  readonly closed: Promise<void>;
}

/** The fake mini-program: what ffmpeg cannot do. `path` is behind the host, e.g. `room/1000/alice?token=x`. */
export async function rtmpClient(
  port: number,
  mode: 'publish' | 'play',
  path: string,
  clock: Clock,
  digest?: 0 | 1,
): Promise<RtmpClient> {
  const [app = '', ...name] = path.split('/');
  const session = new ClientSession({
    random: randomBytes,
    mode,
    app,
    name: name.join('/'),
    tcUrl: `rtmp://127.0.0.1:${port}/${app}`,
    chunkSize: 4096,
    timeoutMs: 10_000,
    ...(digest !== undefined && { digest }),
  });
  const heard: Heard[] = [];
  const waiting = new Set<() => void>();
  let tellClosed = (): void => {};
  const closed = new Promise<void>(done => (tellClosed = done));
  const limits = { maxQueueBytes: 64 * 1024 * 1024, lingerMs: 500 };
  const tcp = await connectTcp('127.0.0.1', port, limits, clock, {
    data: bytes => driving.feed({ type: 'bytes', bytes }),
    closed() {
      driving.stop();
      tellClosed();
    },
  });
  const driving = drive<ClientInput, ClientOutput>(session, clock, out => {
    if (out.type === 'write') return tcp.write(out.bytes);
    heard.push(out);
    if (out.type === 'end') tcp.end();
    for (const check of waiting) check();
  });
  driving.feed({ type: 'start' });
  return {
    heard,
    until: what =>
      new Promise(done => {
        const check = (): void => {
          const found = heard.find(what);
          if (found === undefined) return;
          waiting.delete(check);
          done(found);
        };
        waiting.add(check);
        check();
      }),
    send: input => driving.feed(input),
    pause: on => tcp.pause(on),
    kill: () => tcp.destroy(),
    closed,
  };
}
