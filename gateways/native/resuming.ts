import { randomBytes } from 'node:crypto';
import type { Host, LegRequest } from '../../src/contract.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import { answerResume, type ResumeAsked, readResume } from '../../src/proto/artp/session/resume.ts';
import type { Route } from '../../src/proto/artp/session/types.ts';
import { TrailerView } from '../../src/proto/artp/trailer.ts';
import type { Admitted, Greeter } from './greeting.ts';
import type { Served, SessionMaterial } from './served.ts';
import { readSeated, type Seated, type Tickets } from './tickets.ts';

/** One answer for one RESUME, however often it comes. */
const ANSWER_MS = 15_000;
const MAX_ANSWERS = 1024;
/** Sessions nobody has shown the keys of yet. One ticket asks for any number, from any address it writes on. */
const MAX_UNOPENED = 1024;

export interface ResumingNeeds {
  readonly host: Host;
  readonly greeter: Greeter;
  readonly tickets: () => Tickets | undefined;
  readonly connection: () => Buffer;
  readonly transmit: (bytes: Uint8Array, length: number, route: Route) => void;
  /** A session without a leg; `opened` is called once the member has shown that it has its keys. */
  readonly begin: (material: SessionMaterial, opened: (served: Served) => void) => Served;
  readonly seat: (served: Served, a: Admitted) => void;
}

/**
 * Members that come back by a ticket, from whatever agent they had. A RESUME alone changes nothing: anybody on the way
 * may have copied it. The leg is placed when a packet under the new keys has opened.
 */
export class Resuming {
  readonly #needs: ResumingNeeds;
  readonly #trailer = new TrailerView();
  readonly #answers = new Map<string, { readonly datagram: Buffer; readonly at: number }>();
  readonly #unopened = new Set<Served>();

  constructor(needs: ResumingNeeds) {
    this.#needs = needs;
  }

  ask(datagram: Uint8Array, route: Route): void {
    const { host, greeter, tickets, transmit } = this.#needs;
    const now = host.clock.now();
    const junk = this.#trailer.read(datagram);
    if (junk !== undefined) return host.count('dropped', junk);
    const packet = datagram.subarray(0, this.#trailer.start);
    const asked = readResume(packet, ticket => tickets()?.open(ticket, Date.now()));
    if (asked === undefined) {
      if (greeter.allows(route.address)) host.count('dropped', 'bad-ticket');
      return;
    }
    const nonce = asked.nonce.toString('hex');
    const known = this.#answers.get(nonce);
    if (known !== undefined) return transmit(known.datagram, known.datagram.length, route);
    if (!greeter.allows(route.address)) return;
    if (this.#unopened.size >= MAX_UNOPENED) return host.count('refused', 'too-many-resumes');
    const answer = this.#answer(asked, route);
    if (answer === undefined) return host.count('dropped', 'bad-ticket');
    this.#forgetOld(now);
    this.#answers.set(nonce, { datagram: answer, at: now });
    transmit(answer, answer.length, route);
  }

  #answer(asked: ResumeAsked, route: Route): Buffer | undefined {
    const { connection, tickets, begin } = this.#needs;
    const seated = readSeated(asked.ticket);
    if (seated === undefined) return undefined;
    const ours = connection();
    const { suite } = asked.ticket;
    const none = Buffer.alloc(0); // the new one is sealed with the new secret, and told when the leg is there
    const { datagram, secret } = answerResume(asked, { connection: ours, ticket: none }, randomBytes);
    if (tickets() === undefined) return undefined;
    const material = { secret, suite, ours, theirs: asked.theirs };
    const served = begin(material, s => {
      this.#unopened.delete(s);
      void this.#seat(s, material, seated, route);
    });
    this.#unopened.add(served);
    served.over.signal.addEventListener('abort', () => this.#unopened.delete(served), { once: true });
    return datagram;
  }

  /** Never rejects. */
  async #seat(served: Served, material: SessionMaterial, seated: Seated, route: Route): Promise<void> {
    const { host, greeter, seat } = this.#needs;
    const request: LegRequest = greeter.request(
      { address: route.kind === 'udp' ? route.address : '' },
      { ...seated, credential: seated.secret, proof: 'resumed' },
    );
    host.ladder(request.leg, {
      at: Date.now(),
      dir: 'in',
      transport: `artp/${route.kind}`,
      summary: `RESUME of ${seated.user} in ${seated.room}`,
    });
    try {
      const { leg, placed } = await greeter.place(request, served.over.signal);
      seat(served, { leg, material, seated: { ...seated, secret: placed.secret } });
    } catch (error) {
      const why = terminationOf(error);
      if (why.reason === 'internal-error') host.log.error({ err: error }, 'bug while a member came back');
      host.count('refused', why.reason);
      served.end(why);
    }
  }

  #forgetOld(now: number): void {
    for (const [key, { at }] of this.#answers) {
      if (now - at < ANSWER_MS && this.#answers.size < MAX_ANSWERS) return; // the oldest are first
      this.#answers.delete(key);
    }
  }
}
