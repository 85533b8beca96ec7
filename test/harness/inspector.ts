import { WebSocket } from 'ws';
import type { Child } from './child.ts';

/** What a process holds: what keeps its event loop alive, by kind, and its live heap. */
export interface Holdings {
  readonly handles: Readonly<Record<string, number>>;
  readonly heapBytes: number;
}

interface Answer {
  readonly result?: object;
  readonly error?: { readonly message: string };
}

/** What was only passing (an immediate, a request on its way) is gone the next time one looks. */
const LOOKS = 4;

const fewest = (one: Record<string, number>, other: Record<string, number>): Record<string, number> => {
  const both = Object.entries(one).filter(([name]) => other[name] !== undefined);
  return Object.fromEntries(both.map(([name, count]) => [name, Math.min(count, other[name] as number)]));
};

/** A debugger on a program that was started with `--inspect=127.0.0.1:0`. */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', data => {
      const answer = JSON.parse(data.toString()) as Answer & { id?: number };
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
    });
  }

  static async attach(child: Child): Promise<Inspector> {
    const [, url = ''] = await child.until(/Debugger listening on (ws:\S+)/);
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Inspector(socket);
  }

  /** The value of an expression, as JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.#ask<{ result: { value: string } }>('Runtime.evaluate', {
      expression: `JSON.stringify(${expression})`,
    });
    return JSON.parse(result.value) as T;
  }

  /** After collecting garbage until nothing more is found. */
  async holdings(): Promise<Holdings> {
    await this.#ask('HeapProfiler.enable');
    let handles = await this.#handles();
    for (let i = 0; i < LOOKS; i++) {
      await this.#ask('HeapProfiler.collectGarbage');
      handles = fewest(handles, await this.#handles());
    }
    return { handles, heapBytes: await this.evaluate<number>('process.memoryUsage().heapUsed') };
  }

  async #handles(): Promise<Record<string, number>> {
    const handles: Record<string, number> = {};
    for (const name of (await this.evaluate<string[]>('process.getActiveResourcesInfo()')).sort())
      handles[name] = (handles[name] ?? 0) + 1;
    return handles;
  }

  close(): void {
    this.#socket.close();
  }

  #ask<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#asked;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) =>
      this.#waiting.set(id, answer => {
        this.#waiting.delete(id);
        if (answer.error === undefined) resolve(answer.result as T);
        else reject(new Error(`${method}: ${answer.error.message}`));
      }),
    );
  }
}
