import { randomBytes, randomUUID } from 'node:crypto';
import type { Host, LegEvent, LegRequest, PlacedLeg, Proof, Role } from '../../src/contract.ts';
import { RateLimit, RateLimits } from '../../src/kit/limits.ts';
import { Refusal, refuse, terminationOf } from '../../src/kit/refusal.ts';
import { SECRET_BYTES, type Suite } from '../../src/proto/artp/keys.ts';
import type { NativeConfig } from './config.ts';
import { type Hello, readHello, writeHelloAck, writeRefused } from './hello.ts';
import type { NativeLeg } from './leg.ts';
import type { SessionMaterial } from './served.ts';
import type { Seated } from './tickets.ts';

/** Where a HELLO came by, and where its answer goes. */
export interface Visitor {
  readonly address: string;
  /** For ladders: `tls`, `websocket`, `dtls`. */
  readonly transport: string;
  /** Aborts when the visitor has gone. */
  readonly gone: AbortSignal;
  answer(message: object): void;
}

/** Someone whose leg is being placed: `take` finds it by its key and leaves the leg there. */
export interface Waiting {
  leg?: NativeLeg;
}

/** A member with a leg, and what its session is made of. */
export interface Admitted {
  readonly leg: NativeLeg;
  readonly material: SessionMaterial;
  readonly seated: Seated;
}

export interface GreeterNeeds {
  readonly host: Host;
  readonly config: NativeConfig;
  /** Id of the agent: legs are pinned to it. */
  readonly agent: string;
  readonly udpPort: () => number;
  /** A connection id of ours that nobody has. */
  readonly connection: () => Buffer;
  readonly resetToken: (connection: Uint8Array) => Buffer;
  /** The session begins, before the answer goes. */
  readonly admitted: (a: Admitted) => void;
}

/** From HELLO to HELLO_ACK, or to a refusal in words before anything was taken. */
export class Greeter {
  readonly waiting = new Map<string, Waiting>();
  readonly #needs: GreeterNeeds;
  readonly #limits: RateLimits;
  readonly #attempts = new Attempts();

  constructor(needs: GreeterNeeds) {
    this.#needs = needs;
    const { hellosPerSecond } = needs.config;
    this.#limits = new RateLimits(() => new RateLimit(hellosPerSecond, 2 * hellosPerSecond));
  }

  /** Whether one more from this address is listened to now. */
  allows(address: string): boolean {
    if (this.#limits.take(address, this.#needs.host.clock.now())) return true;
    this.#needs.host.count('refused', 'too-many-hellos');
    return false;
  }

  /** Resolves to whether the visitor is a member now. Never rejects. */
  async greet(message: unknown, visitor: Visitor): Promise<boolean> {
    const { host, config } = this.#needs;
    try {
      if (!this.allows(visitor.address))
        throw refuse(
          'client',
          'too-many-tries',
          `Too many members from ${visitor.address} said hello at once; try again in some seconds.`,
        );
      const hello = readHello(message);
      const suite = hello.suites.find(s => config.suites.includes(s));
      if (suite === undefined)
        throw refuse(
          'client',
          'no-common-suite',
          `The member can encrypt media by ${hello.suites.join(', ')}, this server by ${config.suites.join(', ')} (native.suites).`,
        );
      const now = host.clock.now();
      const ack = await this.#attempts.answer(hello.attempt, now, () => this.#admit(hello, suite, visitor));
      visitor.answer(ack);
      return true;
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error') host.log.error({ err: error }, 'bug while greeting a member');
      host.count('refused', why.reason);
      if (!visitor.gone.aborted) visitor.answer(writeRefused(why));
      return false;
    }
  }

  async #admit(hello: Hello, suite: Suite, visitor: Visitor): Promise<object> {
    const { host, udpPort } = this.#needs;
    const { room, user, display, token } = hello;
    const roles: Role[] = [...(hello.roles ?? (['send', 'receive'] as const)), 'signal'];
    const request = this.request(visitor, { user, display, credential: token, room, roles });
    const summary = `HELLO ${user} in ${room}, ${hello.suites.join(' or ')}`;
    this.#step(request.leg, 'in', visitor, summary);
    const { leg, placed } = await this.place(request, visitor.gone);
    const ours = this.#needs.connection();
    const secret = randomBytes(SECRET_BYTES);
    const material = { secret, suite, ours, theirs: hello.connection };
    const seated: Seated = {
      room,
      user,
      ...(display !== undefined && { display }),
      roles,
      secret: placed.secret,
    };
    this.#needs.admitted({ leg, material, seated });
    this.#step(request.leg, 'out', visitor, `HELLO_ACK, ${suite}`);
    return writeHelloAck({
      room,
      participant: placed.participant,
      connection: ours,
      secret,
      reset: this.#needs.resetToken(ours),
      suite,
      udpPort: udpPort(),
      keepMs: host.sessionKeepMs,
    });
  }

  request(
    visitor: Pick<Visitor, 'address'>,
    who: {
      readonly user: string;
      readonly display?: string | undefined;
      readonly credential?: string | undefined;
      readonly room: string;
      readonly roles: readonly Role[];
      readonly proof?: Proof;
    },
  ): LegRequest {
    const leg = randomUUID();
    const { user, display, credential, room, roles, proof = 'claimed' } = who;
    return {
      v: 1,
      leg,
      trace: leg,
      gateway: 'native',
      direction: 'in',
      who: {
        user,
        proof,
        address: visitor.address,
        ...(display !== undefined && { display }),
        ...(credential !== undefined && { credential }),
      },
      room,
      roles,
      pin: this.#needs.agent,
      returns: true,
      begin: { type: 'offer', native: { connection: leg } },
    };
  }

  /** Rejects with a Refusal; nothing is left then. */
  async place(request: LegRequest, gone: AbortSignal): Promise<{ leg: NativeLeg; placed: PlacedLeg }> {
    const waiting: Waiting = {};
    this.waiting.set(request.leg, waiting);
    try {
      // Of what a leg tells, only this is asked of it: the rest it knows.
      const on = (e: LegEvent): void => void (e.type === 'move' && waiting.leg?.move());
      const placed = await this.#needs.host.place(request, on, gone);
      if (waiting.leg === undefined) throw new Error('a native leg was placed elsewhere');
      if (waiting.leg.over !== undefined) throw new Refusal(waiting.leg.over); // kicked already
      return { leg: waiting.leg, placed };
    } catch (error) {
      waiting.leg?.close(terminationOf(error));
      throw error;
    } finally {
      this.waiting.delete(request.leg);
    }
  }

  #step(leg: string, dir: 'in' | 'out', { transport }: Visitor, summary: string): void {
    this.#needs.host.ladder(leg, { at: Date.now(), dir, transport: `artp/${transport}`, summary });
  }
}

/** Ways of one joining race for so long at most. */
const ATTEMPT_MS = 15_000;
const MAX_ATTEMPTS = 4096;

/** One answer for all HELLOs of one joining. */
class Attempts {
  readonly #known = new Map<string, { readonly answer: Promise<object>; readonly at: number }>();

  async answer(attempt: string, now: number, make: () => Promise<object>): Promise<object> {
    for (const [key, { at }] of this.#known) {
      if (now - at < ATTEMPT_MS && this.#known.size < MAX_ATTEMPTS) break; // the oldest are first
      this.#known.delete(key);
    }
    const before = await this.#known.get(attempt)?.answer.catch(() => undefined);
    if (before !== undefined) return before;
    const answer = make();
    this.#known.set(attempt, { answer, at: now });
    answer.catch(() => this.#known.delete(attempt));
    return answer;
  }
}
