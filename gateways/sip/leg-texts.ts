import { refuse, terminationOf } from '../../src/kit/refusal.ts';
import type { LegOptions } from './leg-options.ts';

/** What is written in the room for a phone that can show it, and what the phone writes. */
export class LegTexts {
  readonly #o: Pick<LegOptions, 'host' | 'request' | 'seat' | 'emit'>;
  #unwatch: (() => void) | undefined;
  #over = false;

  constructor(o: Pick<LegOptions, 'host' | 'request' | 'seat' | 'emit'>) {
    this.#o = o;
  }

  /** Only who can show a text costs the room a watch, and the bus an event. */
  show(on: boolean): void {
    this.#unwatch?.();
    const { seat, emit } = this.#o;
    this.#unwatch = on
      ? seat.watch(e => {
          if (e.type === 'text' && e.from !== seat.participant) emit(e);
        })
      : undefined;
  }

  say(id: number, text: string): void {
    this.#say(text).then(
      () => this.#said({ type: 'said', id }),
      error => this.#said({ type: 'said', id, why: terminationOf(error) }),
    );
  }

  close(): void {
    this.#over = true;
    this.show(false);
  }

  async #say(text: string): Promise<void> {
    const { host, request, seat } = this.#o;
    if (seat.room !== request.room)
      throw refuse('client', 'not-permitted', 'The PIN of the room comes first: then it can be written to.');
    await host.room.text(seat.room, seat.participant, text);
  }

  #said(event: Parameters<LegOptions['emit']>[0]): void {
    if (!this.#over) this.#o.emit(event);
  }
}
