import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import { plainScenario, standingScenario } from './sipp-scenario.ts';

export interface LoadOptions {
  readonly dir: string;
  readonly server: string;
  readonly calls: number;
  readonly perSecond: number;
  /** From ACK to BYE, ms. `standing`: they go on, and take new offers, until they are hung up on. */
  readonly callMs: number | 'standing';
  readonly rooms: number;
  /** Messages lost in either direction, percent. */
  readonly lostPercent?: number;
  /** The callers ask for session timers of this length. */
  readonly sessionExpiresS?: number;
  /** Ends sipp before its time. */
  readonly signal?: AbortSignal;
}

export interface LoadResult {
  readonly exit: number | null;
  readonly successful: number;
  readonly failed: number;
  /** sipp's last screens. */
  readonly output: string;
}

/** Many calls without media of their own, spread over rooms. */
export async function sippLoad(o: LoadOptions): Promise<LoadResult> {
  mkdirSync(o.dir, { recursive: true });
  const [sip, rtp] = [await freePort(), await freePort()];
  const script = join(o.dir, 'call.xml');
  const rooms = join(o.dir, 'rooms.csv');
  const session =
    o.sessionExpiresS && `Max-Forwards: 70\nSupported: timer\nSession-Expires: ${o.sessionExpiresS}`;
  const plain = o.callMs === 'standing' ? standingScenario('[field0]') : plainScenario(o.callMs, '[field0]');
  writeFileSync(script, session ? plain.replace('Max-Forwards: 70', session) : plain); // of the first message, the INVITE
  writeFileSync(rooms, `SEQUENTIAL\n${Array.from({ length: o.rooms }, (_, i) => `load-${i};\n`).join('')}`);
  const sipp = new Child('sipp', 'sipp', [
    o.server,
    ...[
      '-sf',
      script,
      '-inf',
      rooms,
      '-m',
      String(o.calls),
      '-r',
      String(o.perSecond),
      '-l',
      String(o.calls),
    ],
    ...['-i', '127.0.0.1', '-p', String(sip), '-mi', '127.0.0.1', '-mp', String(rtp), '-nostdin'],
    ...['-timeout', '120s', '-timeout_error'],
    ...(o.lostPercent === undefined ? [] : ['-lost', String(o.lostPercent)]),
  ]);
  o.signal?.addEventListener('abort', () => void sipp.stop('SIGKILL'));
  const exit = await sipp.exited;
  // The last screen: `Successful call | periodic | cumulative`.
  const total = (what: string): number =>
    Number([...sipp.output.matchAll(new RegExp(`${what}\\s*\\|[^|]*\\|\\s*(\\d+)`, 'g'))].at(-1)?.[1] ?? -1);
  return {
    exit,
    successful: total('Successful call'),
    failed: total('Failed call'),
    output: sipp.output.slice(-6000),
  };
}
