import { getEventListeners } from 'node:events';
import type { Clock, LegEvent, LegRequest, PlacedLeg, Termination, Ticket } from '../../../src/contract.ts';
import type { Random } from '../../../src/kit/random.ts';
import { Refusal, terminationOf } from '../../../src/kit/refusal.ts';
import type { SimNode } from './node.ts';

export const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
/** A page that has lost its call tries for so long to come back, so often. */
const RETURN_MS = 30_000;
const RETRY_MS = 1000;

/** A call as the peer outside and its front have it. */
export interface Call {
  readonly name: string;
  readonly kind: 'phone' | 'page' | 'push';
  readonly user: string;
  readonly room: string;
  front: SimNode;
  leg: PlacedLeg | undefined;
  secret: string | undefined;
  participant: string | undefined;
  /** It is being placed, moved, or comes back. */
  busy: boolean;
  ended: Termination | undefined;
  /** The peer is gone without a word, which its front may learn late. */
  dropped: boolean;
  /** How often it was placed anew. */
  moves: number;
}

/** What callers need of the world they are in. */
export interface CallersWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly calls: Call[];
  readonly bugs: unknown[];
  pick<T>(of: readonly T[]): T | undefined;
  of(role: 'front'): SimNode[];
}

/** The peers outside: phones whose front moves them, pages that come back by themselves, pushes that dial an agent with a ticket. */
export class Callers {
  readonly #world: CallersWorld;
  #made = 0;

  constructor(world: CallersWorld) {
    this.#world = world;
  }

  phone(front: SimNode, room: string): Call {
    const call = this.#call('phone', front, room);
    void this.#place(call, (on, never) => front.legs.place(this.#request(call), on, never));
    return call;
  }

  page(front: SimNode, room: string): Call {
    const call = this.#call('page', front, room);
    void this.#place(call, (on, never) => front.legs.place(this.#request(call), on, never));
    return call;
  }

  /** Dials the agent process `at`, as the address of a ticket says, or another one. */
  push(at: SimNode, ticket: Pick<Ticket, 'token'>, user: string, room: string): Call {
    const call = this.#call('push', at, room, user);
    const request: LegRequest = {
      ...this.#request(call),
      gateway: 'rtmp',
      pin: `rtmp-${at.name}`,
      roles: ['send'],
      who: { user: '', proof: 'claimed', credential: ticket.token },
    };
    void this.#place(call, (on, never) => at.legs.place(request, on, never));
    return call;
  }

  hangUp(call: Call, why: Termination = HUNG_UP): void {
    if (call.ended !== undefined) return;
    call.ended = why;
    call.leg?.send({ type: 'close', why });
  }

  /** Its front is dead. */
  frontGone(call: Call): void {
    if (call.ended !== undefined) return;
    if (call.kind !== 'page') call.ended = { blame: 'server', reason: 'front-lost' };
    else void this.#comeBack(call);
  }

  #call(kind: Call['kind'], front: SimNode, room: string, user = `u${this.#made % 40}`): Call {
    const call: Call = {
      name: `${kind}${++this.#made}`,
      kind,
      user,
      room,
      front,
      leg: undefined,
      secret: undefined,
      participant: undefined,
      busy: true,
      ended: undefined,
      dropped: false,
      moves: 0,
    };
    this.#world.calls.push(call);
    return call;
  }

  #request(call: Call): LegRequest {
    const credential = call.secret;
    return {
      v: 1,
      leg: `${call.name}-${call.moves}`,
      trace: call.name,
      gateway: call.kind,
      direction: 'in',
      room: call.room,
      roles: ['send', 'receive'],
      who: { user: call.user, proof: 'claimed', ...(credential && { credential }) },
      ...(call.kind === 'phone' && { outlivesAgent: true }),
      ...(call.kind === 'page' && { returns: true }),
      begin: { type: 'offer', native: {} },
    };
  }

  /** True: it is placed. */
  async #place(
    call: Call,
    place: (on: (e: LegEvent) => void, never: AbortSignal) => Promise<PlacedLeg>,
  ): Promise<boolean> {
    const { front } = call;
    const before = call.leg;
    let placed: PlacedLeg | undefined;
    const early: LegEvent[] = [];
    const on = (e: LegEvent): void => {
      if (front.dead) return;
      if (placed === undefined) early.push(e);
      else if (call.leg === placed) this.#event(call, placed, e);
    };
    call.busy = true;
    // Each call has its own: nobody outside gives up, and a placement that is over listens no more.
    const never = new AbortController().signal;
    try {
      placed = await place(on, never).finally(() => this.#unheard(never));
    } catch (error) {
      if (!(error instanceof Refusal)) this.#world.bugs.push(error);
      if (front.dead || call.leg !== before) return false;
      call.busy = false;
      if (call.kind !== 'page' || call.moves === 0) call.ended ??= terminationOf(error);
      return false;
    }
    if (front.dead) return false;
    call.busy = false;
    if (call.ended !== undefined || call.leg !== before) {
      placed.send({ type: 'close', why: call.ended ?? HUNG_UP });
      return false;
    }
    call.leg = placed;
    call.secret = placed.secret;
    call.participant = placed.participant;
    for (const e of early) this.#event(call, placed, e);
    return true;
  }

  #unheard(signal: AbortSignal): void {
    if (getEventListeners(signal, 'abort').length > 0)
      this.#world.bugs.push(new Error('a placement is over and still listens for its abortion'));
  }

  #event(call: Call, leg: PlacedLeg, e: LegEvent): void {
    if (call.ended !== undefined) return;
    const lost = e.type === 'closed' && e.why.reason === 'agent-lost';
    if (call.kind === 'phone' && (e.type === 'move' || lost)) {
      if (!call.busy) void this.#move(call, leg);
    } else if (call.kind === 'page' && (e.type === 'move' || (e.type === 'closed' && returns(e.why)))) {
      if (!call.busy) void this.#comeBack(call);
    } else if (e.type === 'closed' && !(call.busy && call.kind === 'phone')) call.ended = e.why;
  }

  /** As a SIP front does it: the new leg first, then the old one is closed. */
  async #move(call: Call, old: PlacedLeg): Promise<void> {
    call.moves++;
    const { leg } = this.#request(call);
    await this.#place(call, (on, never) => {
      if (old.again === undefined) throw new Error('a placed leg of LegDesk can be placed again');
      return old.again({ leg, begin: { type: 'make-offer' } }, on, never);
    });
    if (!call.front.dead) old.send({ type: 'close', why: HUNG_UP });
  }

  /** As the page does it: by any front that it reaches. */
  async #comeBack(call: Call): Promise<void> {
    const { clock } = this.#world;
    const until = clock.now() + RETURN_MS;
    call.busy = true;
    while (call.ended === undefined && clock.now() < until) {
      await new Promise<void>(done => clock.at(clock.now() + RETRY_MS * (0.5 + this.#world.random()), done));
      if (call.ended !== undefined) return;
      const front = this.#world.pick(this.#world.of('front'));
      if (front === undefined) continue;
      call.front = front;
      call.moves++;
      const placed = await Promise.race([
        this.#place(call, (on, never) => front.legs.place(this.#request(call), on, never)),
        new Promise<false>(gaveUp => clock.at(clock.now() + 10_000, () => gaveUp(false))),
      ]);
      call.busy = !placed;
      if (placed) return;
    }
    call.busy = false;
    call.ended ??= { blame: 'server', reason: 'did-not-come-back' };
  }
}

const returns = (why: Termination): boolean => why.blame === 'server';
