import type { Bus } from '../bus/port.ts';
import type { Json, LegRequest, Who } from '../contract.ts';
import type { Access } from '../ops/access.ts';
import { isTicket, type Tickets } from '../ops/tickets.ts';
import type { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

/** Who may come in, asked by every front before anything is allocated. */
export class Admission {
  readonly #process: string;
  readonly #access: Access;
  readonly #tickets: Tickets;
  readonly #mesh: Mesh;
  readonly #bus: Bus;

  constructor(process: string, access: Access, tickets: Tickets, mesh: Mesh, bus: Bus) {
    this.#process = process;
    this.#access = access;
    this.#tickets = tickets;
    this.#mesh = mesh;
    this.#bus = bus;
  }

  /** The Who with what its credential is worth. Rejects with a Refusal. */
  async authorize(request: LegRequest): Promise<Who> {
    const { credential } = request.who;
    if (credential !== undefined && isTicket(credential) && !this.#isOurs(credential)) {
      const elsewhere = await this.#askIssuer(request);
      if (elsewhere !== null) return elsewhere;
    }
    return this.#judge(request);
  }

  /** For other processes: null when this one did not issue the ticket. */
  async authorizeTicket(request: LegRequest): Promise<Who | null> {
    const { credential = '' } = request.who;
    return this.#isOurs(credential) ? this.#judge(request) : null;
  }

  #isOurs(ticket: string): boolean {
    const now = Date.now();
    return (this.#tickets.find(ticket, now) ?? this.#tickets.returning(ticket, now)) !== undefined;
  }

  async #judge(request: LegRequest): Promise<Who> {
    const { app: _app, can: _can, ...who } = await this.#access.authorize(request, Date.now());
    // What has proved itself is not carried further; a PIN or a resume secret is for the room to judge.
    if (who.proof === 'claimed' || who.proof === 'ticket' || who.proof === 'resumed') return who;
    const { credential: _proved, ...rest } = who;
    return rest;
  }

  /** A ticket lives in the process that issued it. */
  async #askIssuer(request: LegRequest): Promise<Who | null> {
    for (const { process } of this.#mesh.table.processes()) {
      if (process === this.#process) continue;
      const question = { type: 'authorize', request } as unknown as Json;
      const who = await this.#bus.request(subjects.ask(process), question, { timeoutMs: 2000 });
      if (who !== null) return who as unknown as Who;
    }
    return null;
  }
}
