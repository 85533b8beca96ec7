import type { Host } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { Greeter } from './greeting.ts';
import { writeRefused } from './hello.ts';
import type { Pipe, PipeHandlers } from './pipe.ts';

/** From the first byte until it is somebody's: a member's HELLO was good, or a packet of a session came by it. */
const STRANGER_MS = 5000;
/** Whose HELLO was read waits for its room, which may be moving; for as long as a client does. */
const GREETING_MS = 10_000;
const MAX_STRANGERS = 256;

const ROOM_SILENT = refuse(
  'server',
  'room-silent',
  `The room did not answer within ${GREETING_MS / 1000} s; try again.`,
).why;

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
    const cutOff = (): void => {
      if (!this.#needs.isBound(pipe)) {
        host.count('connections_refused', greeted ? 'room-silent' : 'nobody');
        if (greeted) {
          pipe.sendJson(writeRefused(ROOM_SILENT));
          pipe.end();
        } else pipe.destroy();
        gone.abort();
      }
      known();
    };
    let disarm = host.clock.at(host.clock.now() + STRANGER_MS, () => {
      if (greeted) disarm = host.clock.at(host.clock.now() + GREETING_MS - STRANGER_MS, cutOff);
      else cutOff();
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
