import type { Call } from './callers.ts';
import { HUNG_UP } from './callers.ts';
import { type SimNode, TICKET_LIFE_MS } from './node.ts';
import type { SimWorld } from './world.ts';

interface Held {
  readonly token: string;
  readonly user: string;
  readonly room: string;
  readonly issuer: SimNode;
  readonly expiresAt: number;
  used: boolean;
}

/** Judging a ticket takes so long at most where nothing is wrong. */
const JUDGED_MS = 3000;

/** Those who have tickets, and what each ticket must be good for. */
export class TicketHolders {
  readonly #world: SimWorld;
  readonly #held: Held[] = [];
  #made = 0;
  /** Uses that were let in, and those that were not. */
  readonly seen = { good: 0, bad: 0 };

  constructor(world: SimWorld) {
    this.#world = world;
  }

  async issue(room: string): Promise<void> {
    const issuer = this.#world.pick(this.#world.of('front'));
    if (issuer === undefined) return;
    const user = `t${++this.#made}`;
    const { token, expiresAt } = await issuer.ticket({ room, user, protocol: 'rtmp', role: 'publish' });
    this.#held.push({ token, user, room, issuer, expiresAt, used: false });
    if (this.#held.length > 30) this.#held.shift();
  }

  /** Somebody dials with a ticket, and nothing is expected: it may be the wrong moment. */
  dial(): Call | undefined {
    const { random, callers } = this.#world;
    const held = this.#world.pick(this.#held);
    const at = this.#world.pick(this.#world.of('agent'));
    if (held === undefined || at === undefined || random() < 0.2) return undefined;
    if (this.#life(held) === 'live') held.used = true;
    return callers.push(at, held, held.user, held.room);
  }

  /** While nothing is wrong: one ticket is used, rightly or not, and is good or not as it must be. What is not so. */
  async check(): Promise<string[]> {
    const { random, callers } = this.#world;
    const held = this.#world.pick(this.#held);
    const [at, other] = [
      this.#world.pick(this.#world.of('agent')),
      this.#world.pick(this.#world.of('agent')),
    ];
    if (held === undefined || at === undefined || other === undefined) return [];
    const life = this.#life(held);
    if (life === 'about to expire') return [];
    const isAstray = random() < 0.2;
    const hasSeat = this.#members(held).length > 0;
    // Its issuer, and nobody else, may know that nobody came in with it; whether a use reached the issuer is not known.
    if (life === 'expired' && hasSeat && (at === held.issuer || other === held.issuer)) return [];
    const good = !isAstray && (life === 'live' || hasSeat);
    const call = callers.push(at, held, held.user, isAstray ? `${held.room}x` : held.room);
    const twin = !isAstray && random() < 0.3 ? callers.push(other, held, held.user, held.room) : undefined;
    await this.#world.run(JUDGED_MS);
    const both = twin === undefined ? [call] : [call, twin];
    const live = both.filter(c => c.leg !== undefined && c.ended === undefined);
    if (good && life === 'live') held.used = true;
    this.seen[good ? 'good' : 'bad']++;
    const words = both.map(c => c.ended?.reason ?? 'live').join(' and ');
    const what = `${held.user}'s ticket of ${held.issuer.name} (${life}, ${held.used ? 'used' : 'never used'})`;
    const faults: string[] = [];
    if (good && live.length !== 1)
      faults.push(`${what} is good for one, and let in ${live.length}: ${words}`);
    if (!good && live.length > 0)
      faults.push(`${what} is good for nobody, and let in ${live.length}: ${words}`);
    if (this.#members(held).length > 1) faults.push(`${what} made two members`);
    if (random() < 0.5) for (const c of live) callers.hangUp(c, HUNG_UP);
    return faults;
  }

  #life({ expiresAt }: Held): 'live' | 'about to expire' | 'expired' {
    const leftMs = expiresAt - this.#world.unixNow();
    if (leftMs <= 0) return 'expired';
    return leftMs > 2 * JUDGED_MS || leftMs > TICKET_LIFE_MS ? 'live' : 'about to expire';
  }

  /** Members that are this user, in any room. */
  #members({ user }: Held): string[] {
    const all = this.#world.nodes.flatMap(n =>
      (n.rooms?.names ?? []).flatMap(room => n.rooms?.members(room) ?? []),
    );
    return all.map(m => m.participant).filter(p => p === user || p.startsWith(`${user}-`));
  }
}
