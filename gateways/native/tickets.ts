import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Host } from '../../src/contract.ts';
import type { Suite } from '../../src/proto/artp/keys.ts';
import { openTicket, sealTicket, TICKET_MS, type Ticket } from '../../src/proto/artp/session/ticket.ts';

/** A member has one that is good for as long as its seat is kept, whenever its network goes. */
export const RENEW_MS = 30_000;

const SEATED = z.strictObject({
  room: z.string(),
  user: z.string(),
  display: z.string().exactOptional(),
  roles: z.array(z.enum(['send', 'receive', 'signal'])),
  /** The resume secret of its participant. */
  secret: z.string(),
});
/** Whose seat a ticket is for. */
export type Seated = z.output<typeof SEATED>;

/** Tickets that every native agent of the system opens. */
export class Tickets {
  readonly #key: Buffer;
  readonly #keepMs: number;

  static async open(host: Host): Promise<Tickets> {
    return new Tickets(await host.secret('native-ticket'), host.sessionKeepMs);
  }
  private constructor(key: Buffer, keepMs: number) {
    this.#key = key;
    this.#keepMs = Math.min(keepMs, TICKET_MS) + RENEW_MS;
  }

  /** Undefined: names as long as these fit none, and the member has this agent only. `now`: Unix ms. */
  seal(secret: Uint8Array, suite: Suite, seated: Seated, now: number): Buffer | undefined {
    const ticket = { secret, suite, expiresUnixMs: now + this.#keepMs, data: seated };
    try {
      return sealTicket(ticket, this.#key, randomBytes);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  open(bytes: Uint8Array, now: number): Ticket | undefined {
    return openTicket(bytes, this.#key, now);
  }
}

export const readSeated = (t: Ticket): Seated | undefined => SEATED.safeParse(t.data).data;
