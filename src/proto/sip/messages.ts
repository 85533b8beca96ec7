import type { ReferUser } from './refers.ts';
import type { Stack } from './stack.ts';
import { plainText } from './text-body.ts';
import type { ServerTransaction } from './transaction.ts';
import { Undecided } from './undecided.ts';
import type { HeaderLine } from './write.ts';

/** Texts of the peer that wait for the application at once. */
const MAX_WAITING = 16;

export const TEXT_TYPE = 'text/plain;charset=utf-8';

/** Texts of one call, both ways. RFC 3428 within a dialog (§4: "MESSAGE requests do not themselves initiate a SIP dialog"). */
export class Messages {
  readonly #stack: Stack;
  readonly #user: ReferUser;
  readonly #waiting = new Map<number, Undecided>();
  #next = 1;
  #over = false;

  constructor(stack: Stack, user: ReferUser) {
    this.#stack = stack;
    this.#user = user;
  }

  /** A MESSAGE whose body, if it has one, was found readable. */
  receive(t: ServerTransaction): void {
    const text = plainText(t.request) ?? '';
    if (text === '') return t.respond(200);
    if (this.#waiting.size >= MAX_WAITING)
      return t.respond(500, { reason: 'Too Many Texts At Once', headers: [['Retry-After', '5']] });
    const id = this.#next++;
    const late = (): void => void this.#waiting.delete(id);
    this.#waiting.set(id, new Undecided(this.#stack.timers, t, this.#stack.now, late));
    this.#stack.emit({ type: 'message', call: this.#user.id, id, text });
  }

  answer(
    id: number,
    status: number,
    { reason, headers }: { reason?: string | undefined; headers?: readonly HeaderLine[] | undefined },
  ): void {
    const undecided = this.#waiting.get(id);
    this.#waiting.delete(id);
    undecided?.respond(status, { reason, headers });
  }

  /** A text that is not taken is no end of the call, not even by 481: a proxy or a poor phone may know no MESSAGE. */
  send(content: string): void {
    this.#user.ask('MESSAGE', { headers: [], body: { type: TEXT_TYPE, content } }, status => {
      if (!this.#over) this.#stack.emit({ type: 'messaged', call: this.#user.id, status });
    });
  }

  stop(): void {
    this.#over = true;
    for (const undecided of this.#waiting.values()) undecided.respond(487);
    this.#waiting.clear();
  }
}
