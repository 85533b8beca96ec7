import { type Refusal, refuse, terminationOf } from '../kit/refusal.ts';
import type { RoomPort } from '../room/port.ts';
import type { ClientSession } from './client-session.ts';
import { type Connection, connect, type LinkClientOptions } from './connect.ts';
import { RemoteRoom } from './remote-room.ts';

/** After a failure, joins are refused for so long; doubled with every further one. */
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 8000;
/** A way to a room that nobody has joined by after so long is forgotten. */
const UNUSED_MS = 10_000;

/**
 * This process's way to one room node: one connection for all its rooms and legs, made when the first leg joins and
 * made again when a leg joins after it was lost.
 */
export class LinkClient {
  readonly #options: LinkClientOptions;
  readonly #rooms = new Map<string, RemoteRoom>();
  #connection: Promise<Connection> | undefined;
  #standing: Connection | undefined;
  #failures = 0;
  #notBefore = 0;
  #lastFailure: Refusal | undefined;
  readonly #closing = new AbortController();

  constructor(options: LinkClientOptions) {
    this.#options = options;
  }

  /** The same object while the room is in use here; another once it is over (`room-ended`). */
  port(room: string): RoomPort {
    const there = this.#rooms.get(room);
    if (there !== undefined) return there;
    let disarm = (): void => {};
    const made = new RemoteRoom(
      room,
      () => this.#session(),
      () => {
        disarm();
        if (this.#rooms.get(room) === made) this.#rooms.delete(room);
      },
    );
    this.#rooms.set(room, made);
    // Whoever wanted it may have gone meanwhile, and never joins.
    const { clock } = this.#options;
    disarm = clock.at(clock.now() + UNUSED_MS, () => made.endIfUnused());
    return made;
  }

  /** Or about to be. */
  get connected(): boolean {
    return this.#connection !== undefined;
  }

  get stands(): boolean {
    return this.#standing !== undefined;
  }

  /** Connects though no leg joins yet; a failure is counted as any other, and the next call tries again. */
  stand(): void {
    void this.#session().catch(() => {});
  }

  /** Of the last probe; undefined while there is no connection. */
  get rttMs(): number | undefined {
    return this.#standing?.session.path.rttMs;
  }

  /** Every seat is told, and nothing is connected any more. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const room of [...this.#rooms.values()]) room.endIfUnused();
    const connection = await this.#connection?.catch(() => undefined);
    await connection?.closed;
  }

  async #session(): Promise<ClientSession> {
    const { clock } = this.#options;
    if (this.#closing.signal.aborted)
      throw refuse('server', 'link-closed', 'This process is closing and joins no more rooms.');
    if (this.#connection === undefined) {
      if (clock.now() < this.#notBefore) throw this.#lastFailure;
      this.#connection = connect(this.#options, this.#closing.signal);
      this.#connection.then(
        made => this.#stands(made),
        error => this.#failed(error),
      );
    }
    return (await this.#connection).session;
  }

  #stands(made: Connection): void {
    this.#failures = 0;
    this.#standing = made;
    void made.closed.then(() => {
      this.#standing = undefined;
      this.#connection = undefined;
    });
  }

  #failed(error: unknown): void {
    this.#connection = undefined;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++);
    this.#notBefore = this.#options.clock.now() + waitMs;
    const { blame, reason, text } = terminationOf(error);
    this.#lastFailure = refuse(blame, reason, text ?? reason);
  }
}
