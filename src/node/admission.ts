import type { Bus } from '../bus/port.ts';
import type { LegRequest, Who } from '../contract.ts';
import type { Access } from '../ops/access.ts';
import { idOfTicket, isTicket, type Tickets } from '../ops/tickets.ts';
import { subjects } from './subjects.ts';

/** Who may come in, asked by every front before anything is allocated. */
export class Admission {
  readonly #access: Access;
  readonly #tickets: Tickets;
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #undo: () => void;

  constructor(access: Access, tickets: Tickets, bus: Pick<Bus, 'publish' | 'subscribe'>) {
    this.#access = access;
    this.#tickets = tickets;
    this.#bus = bus;
    this.#undo = bus.subscribe(subjects.ticketUsed, data => tickets.used((data as { id: string }).id));
  }

  /** The Who with what its credential is worth. Rejects with a Refusal. */
  async authorize(request: LegRequest): Promise<Who> {
    const { credential } = request.who;
    const byTicket = credential !== undefined && isTicket(credential);
    if (byTicket) await this.#tickets.ready();
    const { app: _app, can: _can, ...who } = await this.#access.authorize(request, Date.now());
    // Its issuer may be another process, and is asked again when the member comes back.
    if (byTicket) this.#bus.publish(subjects.ticketUsed, { id: idOfTicket(credential) });
    // What has proved itself is not carried further; a PIN or a resume secret is for the room to judge.
    if (who.proof === 'claimed' || who.proof === 'ticket' || who.proof === 'resumed') return who;
    const { credential: _proved, ...rest } = who;
    return rest;
  }

  close(): void {
    this.#undo();
  }
}
