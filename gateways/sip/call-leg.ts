import { randomUUID } from 'node:crypto';
import type {
  Host,
  Json,
  LegCommand,
  LegEvent,
  LegRequest,
  PlacedLeg,
  Termination,
} from '../../src/contract.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import { MOVED, WITHDRAWN } from './call-ends.ts';
import { type SrtpPolicy, sipNative } from './native.ts';

/** What a call hears of its leg. */
export type OfLeg =
  | { readonly type: 'placed' }
  /** `stays`: the leg there was lives on. */
  | { readonly type: 'unplaced'; readonly why: Termination; readonly stays?: true }
  | { readonly type: 'leg'; readonly event: LegEvent };

/** What is asked for a leg, but for what all legs of calls have. */
export type CallLegAsk = Pick<LegRequest, 'trace' | 'direction' | 'who' | 'room' | 'prompts'> & {
  /** Undefined: we offer. */
  readonly sdp: string | undefined;
  readonly srtp: SrtpPolicy;
};

/** The leg of one call, on whichever agent: another one when that dies. */
export class CallLeg {
  readonly #host: Host;
  readonly #tell: (input: OfLeg) => void;
  /** Nobody listens any more: what is placed now is given back. */
  readonly #over: () => boolean;
  readonly #abort = new AbortController();
  #id = `sip-${randomUUID()}`;
  #placed: PlacedLeg | undefined;
  /** `#placed` has closed. */
  #ended = false;
  #srtp: SrtpPolicy | undefined;
  #will: Json | undefined;

  constructor(host: Host, tell: (input: OfLeg) => void, over: () => boolean) {
    this.#host = host;
    this.#tell = tell;
    this.#over = over;
  }

  /** Changes with the agent. */
  get id(): string {
    return this.#id;
  }

  place({ sdp, srtp, ...ask }: CallLegAsk): void {
    this.#srtp = srtp;
    const request: LegRequest = {
      v: 1,
      leg: this.#id,
      gateway: 'sip',
      roles: ['send', 'receive'],
      outlivesAgent: true,
      ...ask,
      begin: { type: sdp === undefined ? 'make-offer' : 'offer', native: sipNative(sdp, srtp) },
    };
    this.#await(this.#host.place(request, this.#on(this.#id), this.#abort.signal));
  }

  /** Its agent has died or is to be left. `before`: our newest description, from which the new one goes on; `held`: by the phone. */
  again(before: string | undefined, held: boolean): void {
    const old = this.#placed;
    if (old?.again === undefined) return; // nobody can: the search ends by itself
    this.#id = `sip-${randomUUID()}`;
    const native = sipNative(undefined, this.#srtp, before === undefined ? undefined : { before, held });
    this.#note(`goes on from ${old.id}, whose agent ${this.#ended ? 'has died' : 'is being emptied'}`);
    const begin = { type: 'make-offer', native } as const;
    this.#await(old.again({ leg: this.#id, begin }, this.#on(this.#id), this.#abort.signal));
  }

  send(command: LegCommand): void {
    this.#placed?.send(command);
  }

  /** Leaves word with the agent of how the call is ended, should this process vanish; the newest counts. */
  will(native: Json): void {
    this.#will = native;
    this.#placed?.send({ type: 'will', native });
  }

  /** Undoes what placing has begun. */
  abort(): void {
    this.#abort.abort();
  }

  /** What `leg` says; a leg that is being left has no say but that it lives. */
  #on(leg: string): (event: LegEvent) => void {
    return event => {
      if (event.type === 'closed' && leg === this.#placed?.id) this.#ended = true;
      if (leg === this.#id) this.#tell({ type: 'leg', event });
    };
  }

  #await(placing: Promise<PlacedLeg>): void {
    placing.then(
      leg => {
        this.#placed?.send({ type: 'close', why: MOVED });
        this.#placed = leg;
        this.#ended = false;
        if (this.#over()) return leg.send({ type: 'close', why: WITHDRAWN });
        if (this.#will !== undefined) leg.send({ type: 'will', native: this.#will });
        this.#tell({ type: 'placed' });
      },
      error => this.#unplaced(terminationOf(error)),
    );
  }

  #unplaced(why: Termination): void {
    const stays = this.#placed !== undefined && !this.#ended;
    if (stays) this.#id = this.#placed?.id as string;
    this.#tell({ type: 'unplaced', why, ...(stays && { stays }) });
  }

  #note(summary: string): void {
    this.#host.ladder(this.#id, { at: Date.now(), dir: 'note', transport: 'roombridge', summary });
  }
}
