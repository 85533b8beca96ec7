import type { Host } from '../../src/contract.ts';
import type { Greeter } from './greeting.ts';
import type { Pipe, PipeHandlers } from './pipe.ts';

/** From the first byte until it is somebody's: a member's HELLO was good, or a packet of a session came by it. */
const STRANGER_MS = 5000;
const MAX_STRANGERS = 256;

export interface StreamsNeeds {
  readonly host: Host;
  readonly greeter: Greeter;
  readonly packet: (bytes: Buffer, pipe: Pipe) => void;
  /** A session has opened a packet that came by it. */
  readonly isBound: (pipe: Pipe) => boolean;
  readonly closed: (pipe: Pipe) => void;
}

/** Every TLS connection and WebSocket, strangers among them. */
export class Streams {
  readonly #needs: StreamsNeeds;
  readonly #pipes = new Map<string, Pipe>();
  #strangers = 0;

  constructor(needs: StreamsNeeds) {
    this.#needs = needs;
  }

  get(id: string): Pipe | undefined {
    return this.#pipes.get(id);
  }

  /** `make` opens the pipe with the handlers it is given. */
  opened<T extends { readonly pipe: Pipe }>(transport: string, make: (on: PipeHandlers) => T): T {
    const { host, greeter } = this.#needs;
    const gone = new AbortController();
    let stranger = true;
    let greeted = false;
    const made = make({
      packet: bytes => this.#needs.packet(bytes, made.pipe),
      json: message => {
        if (greeted) return made.pipe.destroy(); // one HELLO a connection
        greeted = true;
        const { address } = made.pipe;
        const answer = (m: object): void => made.pipe.sendJson(m);
        void greeter.greet(message, { address, transport, gone: gone.signal, answer }).then(isMember => {
          if (isMember) known();
          else made.pipe.end();
        });
      },
      junk: reason => {
        host.count('dropped', reason);
        made.pipe.destroy();
      },
      closed: () => {
        gone.abort();
        known();
        this.#pipes.delete(made.pipe.id);
        this.#needs.closed(made.pipe);
      },
    });
    const { pipe } = made;
    this.#pipes.set(pipe.id, pipe);
    this.#strangers++;
    const disarm = host.clock.at(host.clock.now() + STRANGER_MS, () => {
      if (!this.#needs.isBound(pipe)) {
        host.count('connections_refused', 'nobody');
        pipe.destroy();
      }
      known();
    });
    const known = (): void => {
      if (!stranger) return;
      stranger = false;
      this.#strangers--;
      disarm();
    };
    if (this.#strangers > MAX_STRANGERS) {
      host.count('connections_refused', 'strangers');
      pipe.destroy();
    }
    return made;
  }

  close(): void {
    for (const pipe of this.#pipes.values()) pipe.end();
  }
}
