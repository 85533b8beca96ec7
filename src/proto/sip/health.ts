import { type Core, type Millis, NEVER, type Tick } from '../../kit/core.ts';

export interface HealthOptions {
  readonly proxies: number;
  /** 0: nobody is asked; calls alone tell. */
  readonly everyMs: Millis;
  /** Questions in a row without answer until a proxy counts as down. */
  readonly downAfter: number;
  /** 0 ≤ x < 1: not all are asked at once. */
  readonly random: () => number;
}

export type HealthIn =
  | { readonly type: 'start' }
  /** The answer to `ping`; without `answered` nobody said anything, and `status` is ours. */
  | { readonly type: 'pong'; readonly proxy: number; readonly status: number; readonly answered: boolean }
  /** A call went through, or found nobody there. */
  | { readonly type: 'call'; readonly proxy: number; readonly status: number; readonly answered: boolean };

export type HealthOut =
  /** OPTIONS, please. */
  { readonly type: 'ping'; readonly proxy: number } | { readonly type: 'changed'; readonly proxy: number };

export interface ProxyHealth {
  readonly state: 'unknown' | 'up' | 'down';
  /** The last final status, ours (408, 503) included; 0: none yet. */
  readonly status: number;
  readonly since: Millis;
  readonly text: string;
}

interface Proxy extends ProxyHealth {
  readonly silent: number;
  readonly askAt: Millis;
}

/** Whether each proxy of a trunk lives: RFC 3261 §11 OPTIONS as a ping, any answer but 503 is a sign of life. */
export class Health implements Core<HealthIn, HealthOut> {
  readonly #o: HealthOptions;
  readonly #proxies: Proxy[];
  readonly #out: HealthOut[] = [];

  constructor(options: HealthOptions) {
    this.#o = options;
    this.#proxies = Array.from({ length: options.proxies }, () => ({
      state: 'unknown',
      status: 0,
      since: 0,
      text: 'It has not been asked yet.',
      silent: 0,
      askAt: NEVER,
    }));
  }

  get deadline(): Millis {
    let at: Millis = NEVER;
    for (const p of this.#proxies) at = Math.min(at, p.askAt);
    return at;
  }

  of(proxy: number): ProxyHealth {
    return this.#proxies[proxy] as ProxyHealth;
  }

  poll(): HealthOut | undefined {
    return this.#out.shift();
  }

  handle(input: HealthIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'start':
        this.#proxies.forEach((_, i) => {
          this.#set(i, { since: now, askAt: this.#o.everyMs > 0 ? now : NEVER });
        });
        return;
      case 'tick':
        this.#proxies.forEach(({ askAt }, i) => {
          if (askAt > now) return;
          this.#set(i, { askAt: NEVER }); // until it has answered, or did not
          this.#out.push({ type: 'ping', proxy: i });
        });
        return;
      case 'pong':
        this.#heard(input, now);
        if (this.#o.everyMs > 0)
          this.#set(input.proxy, { askAt: now + this.#o.everyMs * (0.9 + 0.2 * this.#o.random()) });
        return;
      case 'call':
        return this.#heard(input, now);
    }
  }

  #heard({ proxy, status, answered }: Exclude<HealthIn, { type: 'start' }>, now: Millis): void {
    const before = this.#proxies[proxy] as Proxy;
    const good = answered && status !== 503;
    const silent = good ? 0 : before.silent + 1;
    // One that says 503 is there, and says that it is not to be used: no doubt is left.
    const down = !good && (answered || silent >= this.#o.downAfter);
    const state = good ? 'up' : down ? 'down' : before.state;
    const changed = state !== before.state;
    this.#set(proxy, {
      state,
      status,
      silent,
      text: textOf(status, answered),
      ...(changed && { since: now }),
    });
    if (changed) this.#out.push({ type: 'changed', proxy });
  }

  #set(proxy: number, more: Partial<Proxy>): void {
    this.#proxies[proxy] = { ...(this.#proxies[proxy] as Proxy), ...more };
  }
}

function textOf(status: number, answered: boolean): string {
  if (!answered && status === 404) return 'Its name leads nowhere: check the spelling and the DNS records.';
  if (!answered)
    return status === 503
      ? 'No connection could be made: check its address, its port and the firewall between.'
      : 'It does not answer: check that it runs, its address, its port and the firewall between.';
  if (status === 503) return 'It answers 503: it takes no calls now.';
  return `It answers (${status}).`;
}
