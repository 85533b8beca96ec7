import { createSocket, type Socket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

/** What one receiver's line takes, and how long it lets packets wait before it drops them. */
export interface Narrowness {
  /** Bits a second, IP and UDP headers counted; 0: no limit. */
  readonly bps: number;
  readonly queueMs: number;
  /** Nothing passes, either way. */
  readonly cut?: boolean;
}

const HEADERS_BYTES = 28;

/**
 * One direction of a slow line: packets leave one after the other at its rate, and wait for that in a bounded queue; what
 * does not fit is lost, as in any modem.
 */
class SlowLine {
  narrow: Narrowness = { bps: 0, queueMs: 0 };
  lost = 0;
  passed = 0;
  #freeAt = 0;

  /** Ms from `now` until a packet of `bytes` is through; undefined: it is lost. */
  pass(bytes: number, now: number): number | undefined {
    const { bps, queueMs } = this.narrow;
    if (bps === 0) {
      this.passed++;
      return 0;
    }
    const begins = Math.max(now, this.#freeAt);
    if (begins - now > queueMs) {
      this.lost++;
      return undefined;
    }
    this.passed++;
    this.#freeAt = begins + ((bytes + HEADERS_BYTES) * 8000) / bps;
    return this.#freeAt - now;
  }
}

/** A UDP port that stands for another one; what comes back from there comes through a slow line. */
function relay(target: number): void {
  const front = createSocket('udp4');
  const backs = new Map<string, Socket>();
  const lines: SlowLine[] = [];
  let narrow: Narrowness = { bps: 0, queueMs: 0 };
  front.on('message', (bytes, from) => {
    if (narrow.cut) return;
    const key = `${from.address} ${from.port}`;
    let back = backs.get(key);
    if (back === undefined) {
      back = createSocket('udp4');
      const line = new SlowLine();
      line.narrow = narrow;
      lines.push(line);
      back.on('message', answer => {
        if (narrow.cut) return;
        const waitMs = line.pass(answer.length, performance.now());
        if (waitMs === undefined) return;
        if (waitMs === 0) front.send(answer, from.port, from.address);
        else setTimeout(() => front.send(answer, from.port, from.address), waitMs);
      });
      backs.set(key, back);
    }
    back.send(bytes, target, '127.0.0.1');
  });
  front.bind(0, '0.0.0.0', () => console.log(`relay on ${front.address().port}`));
  process.stdin.on('data', said => {
    for (const text of String(said).split('\n').filter(Boolean)) {
      narrow = JSON.parse(text) as Narrowness;
      for (const line of lines) line.narrow = narrow;
      const sum = (of: 'lost' | 'passed'): number => lines.reduce((n, l) => n + l[of], 0);
      console.log(`set ${text}; so far ${sum('passed')} passed, ${sum('lost')} lost`);
    }
  });
  process.stdin.on('end', () => process.exit(0));
}

/** A receiver's line to the server, in a process of its own. */
export class NarrowLink {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** To `target`, a UDP port of this machine; without limit until `set`. */
  static async start(target: number): Promise<NarrowLink> {
    const child = new Child('narrow link', process.execPath, [
      '--import',
      'tsx',
      fileURLToPath(import.meta.url),
      String(target),
    ]);
    const [, port] = await child.until(/relay on (\d+)/);
    return new NarrowLink(child, Number(port));
  }

  /** Answers with what passed and what was lost so far. */
  async set(narrow: Narrowness): Promise<string> {
    const from = this.#child.output.length;
    this.#child.say(JSON.stringify(narrow));
    const [, told] = await this.#child.until(/so far (.*)\n/, 5000, from);
    return told!;
  }

  stop(): Promise<number | null> {
    return this.#child.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) relay(Number(process.argv[2]));
