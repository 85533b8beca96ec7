import type { Host, Millis } from '../../src/contract.ts';
import { ipBytes } from '../../src/kit/ip.ts';
import { RateLimit, RateLimits } from '../../src/kit/limits.ts';
import type { Flow } from '../../src/proto/sip/flow.ts';
import type { SipConfig } from './config.ts';
import { isWithin, networks } from './config-guard.ts';
import { Tally } from './guard-tally.ts';

/** What strangers do wrong, again and again. */
export type Fault = 'auth' | 'pin' | 'room' | 'malformed' | 'scanner';

/** Programs that look for open servers, by what they say they are. Their kin that is used in earnest is not among them. */
const SCANNERS =
  /friendly-?scanner|sip-?vicious|sip-?scan|pplsip|sundayddr|sipcli\/|siparmyknife|\biwar\b|^gulp$/i;

/** Terminations that count against whoever caused them. */
const FAULTS: Readonly<Record<string, Fault>> = {
  'not-authorized': 'auth',
  'too-many-tries': 'auth',
  'wrong-pin': 'pin',
  'no-room-named': 'room',
  'no-such-room': 'room',
  'bad-room': 'room',
  'not-found': 'room',
};

/** Wrong passwords and PINs of one caller in a minute; at more every try is refused for a minute, right ones too. */
const TRIES_PER_MINUTE = 10;
const TRIES_HOLD_MS = 60_000;

type Outside = Pick<Host, 'log' | 'count'>;

/** Decides whom the SIP side hears. Sans-I/O; `host`s are numeric addresses. */
export class Guard {
  readonly #outside: Outside;
  readonly #config: SipConfig;
  readonly #sources;
  readonly #known: ((host: string) => boolean)[] = [];
  readonly #floods: RateLimits;
  readonly #bans: Tally | undefined;
  readonly #tries = new Tally(TRIES_PER_MINUTE, TRIES_HOLD_MS);

  constructor(outside: Outside, config: SipConfig) {
    this.#outside = outside;
    this.#config = config;
    this.#sources = networks(config.sources);
    const { messagesPerSecond: perSecond, ban } = config;
    this.#floods = new RateLimits(() => new RateLimit(perSecond, perSecond * 2));
    if (ban.failuresPerMinute > 0) this.#bans = new Tally(ban.failuresPerMinute, ban.forSeconds * 1000);
  }

  /** More who belong here (trunks): asked at every message, so it must be quick. */
  alsoKnows(isKnown: (host: string) => boolean): void {
    this.#known.push(isKnown);
  }

  /** This host, a network of the config, or a trunk: never banned, never left without answer. */
  knows(host: string): boolean {
    if (host.startsWith('127.') || host === '::1') return true;
    if (this.#sources !== undefined && isWithin(this.#sources, host)) return true;
    return this.#known.some(isKnown => isKnown(host));
  }

  /** Whether this address may connect or say anything at all. */
  admits(host: string, now: Millis): boolean {
    const why = this.#bans?.holds(sourceOf(host), now)
      ? 'banned'
      : this.#config.unknownSources === 'silent'
        ? 'unknown-source'
        : undefined;
    if (why === undefined || this.knows(host)) return true;
    this.#outside.count('dropped', why);
    return false;
  }

  /** Whether there is room for one more message of this address. */
  hears(host: string, now: Millis): boolean {
    if (this.#floods.take(host, now)) return true;
    this.#outside.count('dropped', 'flood');
    return false;
  }

  /** A request outside any call, from a program of that name. False: no answer. */
  screens(userAgent: string, { host }: Pick<Flow, 'host'>, now: Millis): boolean {
    if (this.#config.scanners === 'answer' || !SCANNERS.test(userAgent)) return true;
    this.#outside.count('dropped', 'scanner');
    this.fault(host, 'scanner', now);
    return false;
  }

  /** A call was refused for this reason; `caller` as in `mayTry`. */
  refused(reason: string, { host }: Pick<Flow, 'host'>, caller: string, now: Millis): void {
    const fault = FAULTS[reason];
    if (fault === undefined) return;
    if (fault !== 'room') this.#tries.fail(this.#trying(host, caller), now);
    this.fault(host, fault, now);
  }

  /** Whether a password or PIN of this caller is looked at now. Callers of a trunk or proxy share an address: `caller` tells them apart. */
  mayTry(host: string, caller: string, now: Millis): boolean {
    if (!this.#tries.holds(this.#trying(host, caller), now)) return true;
    this.#outside.count('refused', 'too-many-tries');
    return false;
  }

  fault(host: string, fault: Fault, now: Millis): void {
    if (this.#bans === undefined || this.knows(host)) return;
    const scanning = fault === 'scanner';
    if (!this.#bans.fail(sourceOf(host), now, scanning)) return;
    const { failuresPerMinute, forSeconds } = this.#config.ban;
    this.#outside.count('banned', fault);
    const did = scanning
      ? 'it runs a program that looks for open SIP servers'
      : `${failuresPerMinute} wrong passwords, PINs or rooms, or malformed messages in a minute, the last was of the kind ${fault}`;
    this.#outside.log.warn(
      { from: host, fault },
      `${host} is not heard for ${forSeconds} s: ${did}; if it belongs here, put it into sip.sources`,
    );
  }

  /** Addresses that are not heard now. */
  get banned(): number {
    return this.#bans?.held ?? 0;
  }

  #trying(host: string, caller: string): string {
    return this.knows(host) ? `${host} ${caller}` : sourceOf(host);
  }
}

/** Whoever has one IPv6 address has the 2⁶⁴ beside it. */
function sourceOf(host: string): string {
  if (!host.includes(':')) return host;
  const bytes = ipBytes(host);
  return bytes === undefined ? host : Buffer.from(bytes.subarray(0, 8)).toString('hex');
}
