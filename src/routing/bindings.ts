import { createHmac } from 'node:crypto';
import type { Millis } from '../kit/core.ts';
import { RateLimit, RateLimits } from '../kit/limits.ts';
import {
  type BindMessage,
  COOKIE_BYTES,
  hasCookie,
  isSigned,
  readBind,
  writeBound,
} from '../proto/artp/relay/bind.ts';
import { tagOf } from '../proto/artp/relay/connection-id.ts';
import { ticketKey } from '../proto/artp/relay/ticket.ts';
import { connectionKey, isConnection } from '../proto/artp/trailer.ts';

/** A client this router relays for. */
export interface Binding {
  readonly client: Buffer;
  readonly server: Buffer;
  readonly serverTag: number;
  address: string;
  port: number;
  /** By BIND or by traffic. */
  heardAt: Millis;
  /** When its ticket ends. */
  readonly until: Millis;
}

export const LIMITS = {
  bindings: 10_000,
  /** Members behind one NAT. */
  bindingsOfOneAddress: 256,
  /** Without traffic, ms. */
  keepMs: 60_000,
  bindsPerSecondOfOneAddress: 20,
  bindsPerSecond: 5000,
} as const;
/** A cookie is good in the period it was made in and the next. */
const COOKIE_PERIOD_MS = 60_000;
const NONE: readonly never[] = [];

export type BindResult =
  | { readonly type: 'junk'; readonly reason: string }
  | { readonly type: 'answer'; readonly bytes: Buffer }
  | { readonly type: 'bound'; readonly bytes: Buffer; readonly binding: Binding; readonly isNew: boolean };

export interface BindingsOptions {
  /** The secret all routers and servers share. */
  readonly shared: Uint8Array;
  /** Ours alone, new at every start. */
  readonly cookieKey: Uint8Array;
  /** What the monotonic clock's 0 is on the wall clock, Unix ms: tickets carry wall time. */
  readonly unixOfZero: number;
}

/** The clients bound at this router. Everything a stranger can make it do or keep has a limit. */
export class Bindings {
  readonly #o: BindingsOptions;
  readonly #byClient = new Map<number, Binding>();
  /** By address, by port. */
  readonly #bySource = new Map<string, Map<number, Binding[]>>();
  readonly #rate = new RateLimit(LIMITS.bindsPerSecond, LIMITS.bindsPerSecond);
  readonly #rates = new RateLimits(
    () => new RateLimit(LIMITS.bindsPerSecondOfOneAddress, 2 * LIMITS.bindsPerSecondOfOneAddress),
  );

  constructor(options: BindingsOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#byClient.size;
  }
  all(): Iterable<Binding> {
    return this.#byClient.values();
  }

  /** The binding whose client id stands at `at`. */
  of(b: Uint8Array, at: number): Binding | undefined {
    const binding = this.#byClient.get(connectionKey(b, at));
    return binding !== undefined && isConnection(b, at, binding.client) ? binding : undefined;
  }

  /** Bound to this very address: what may be sent from there, and to whom. */
  from(address: string, port: number): readonly Binding[] {
    return this.#bySource.get(address)?.get(port) ?? NONE;
  }

  /** A BIND from there. An answer goes back there, and nowhere else. */
  bind(b: Buffer, address: string, port: number, now: Millis): BindResult {
    const m = readBind(b);
    if (m === undefined) return junk('bad-bind');
    if (!this.#rates.take(address, now) || !this.#rate.take(now)) return junk('bind-rate');
    const until = m.expiresAt * 1000 - this.#o.unixOfZero;
    const key = ticketKey(this.#o.shared, m.client, m.server, m.expiresAt);
    if (!isSigned(b, key)) return junk('forged-bind');
    if (until <= now) return junk('expired-ticket');
    const cookie = this.#cookie(address, port, now);
    const answer = (isBound: boolean): Buffer =>
      writeBound({ isBound, nonce: m.nonce, client: m.client, cookie, keepS: LIMITS.keepMs / 1000 }, key);
    if (!hasCookie(m) || !this.#isCookie(m.cookie, address, port, now))
      return { type: 'answer', bytes: answer(false) };
    const known = this.of(m.client, 0);
    if (known === undefined && this.#isFull(m, address)) return junk('bindings-full');
    const isNew = known?.address !== address || known.port !== port || !known.server.equals(m.server);
    if (known !== undefined && isNew) this.#remove(known);
    const binding = known !== undefined && !isNew ? known : this.#add(m, address, port, until, now);
    binding.heardAt = now;
    return { type: 'bound', bytes: answer(true), binding, isNew };
  }

  #add(m: BindMessage, address: string, port: number, until: Millis, now: Millis): Binding {
    const binding: Binding = {
      client: Buffer.from(m.client),
      server: Buffer.from(m.server),
      serverTag: tagOf(m.server, 0),
      address,
      port,
      heardAt: now,
      until,
    };
    this.#byClient.set(connectionKey(m.client, 0), binding);
    const ports = this.#bySource.get(address) ?? new Map<number, Binding[]>();
    this.#bySource.set(address, ports);
    ports.set(port, [...(ports.get(port) ?? []), binding]);
    return binding;
  }

  #remove(binding: Binding): void {
    this.#byClient.delete(connectionKey(binding.client, 0));
    const { address, port } = binding;
    const ports = this.#bySource.get(address);
    const left = (ports?.get(port) ?? []).filter(b => b !== binding);
    if (left.length > 0) ports?.set(port, left);
    else ports?.delete(port);
    if (ports?.size === 0) this.#bySource.delete(address);
  }

  /** Two ids that begin alike are as good as impossible by chance; by design one of them is refused. */
  #isFull(m: BindMessage, address: string): boolean {
    return (
      this.#byClient.size >= LIMITS.bindings ||
      this.#countOf(address) >= LIMITS.bindingsOfOneAddress ||
      this.#byClient.has(connectionKey(m.client, 0))
    );
  }

  #countOf(address: string): number {
    let count = 0;
    for (const bound of this.#bySource.get(address)?.values() ?? NONE) count += bound.length;
    return count;
  }

  /** Forgets and returns those nothing was heard of, and those whose ticket has ended. */
  expire(now: Millis): Binding[] {
    const over = [...this.#byClient.values()].filter(b => now - b.heardAt > LIMITS.keepMs || b.until <= now);
    for (const binding of over) this.#remove(binding);
    return over;
  }

  #isCookie(shown: Uint8Array, address: string, port: number, now: Millis): boolean {
    return [now, now - COOKIE_PERIOD_MS].some(at => this.#cookie(address, port, at).equals(shown));
  }

  #cookie(address: string, port: number, at: Millis): Buffer {
    return createHmac('sha256', this.#o.cookieKey)
      .update(`${address} ${port} ${Math.floor(at / COOKIE_PERIOD_MS)}`)
      .digest()
      .subarray(0, COOKIE_BYTES);
  }
}

const junk = (reason: string): BindResult => ({ type: 'junk', reason });
