import { createHmac, randomBytes } from 'node:crypto';
import type { Clock, Log, Millis, TrunkPart, TrunkState } from '../../../src/contract.ts';
import { type Drive, drive } from '../../../src/io/drive.ts';
import type { Credentials } from '../../../src/proto/sip/digest.ts';
import type { Flow } from '../../../src/proto/sip/flow.ts';
import { Health, type HealthIn } from '../../../src/proto/sip/health.ts';
import { orderSrv, type Target } from '../../../src/proto/sip/locate.ts';
import { escapeUser, parseUri, type Uri } from '../../../src/proto/sip/uri.ts';
import { bracketed } from '../../../src/proto/sip/write.ts';
import type { SrtpPolicy } from '../native.ts';
import type { Heard, HopName } from '../outgoing-call.ts';
import { Account } from './account.ts';
import type { Asking, AskOptions } from './asking.ts';
import type { TrunkConfig } from './config.ts';
import { flowOfTarget, type Locations, targetName } from './locating.ts';

/** One address an INVITE may go to, and how it goes there. */
export interface Hop extends HopName {
  readonly target: Target;
  /** Number of the trunk's proxy. */
  readonly proxy?: number;
  readonly flow: ReturnType<typeof flowOfTarget>;
  readonly to: string;
  readonly user: string;
  readonly from?: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly credentials?: Credentials;
  /** Told what became of it. */
  readonly note: (status: number, heard: Heard) => void;
}

export interface TrunkParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly locations: Locations;
  readonly asking: Asking;
  readonly tryNextAfterMs: Millis;
  readonly random: () => number;
  readonly keepAlive: (flow: Flow, everyMs: Millis) => void;
}

/** RFC 5626 §4.4: "24 to 29 seconds" for UDP, "95 to 120 seconds" for connections; the lower bound is the endpoint's business. */
const UDP_KEEP_MS = 29_000;
const STREAM_KEEP_MS = 120_000;

/** How often the names it is known by are looked up again; what DNS says is kept for as long as it holds. */
const LOOK_UP_MS = 60_000;

/** A line to a PBX or a provider, alive: its proxies watched, its accounts registered. */
export class Trunk {
  readonly config: TrunkConfig;
  /** Host, and port where it is written, of From, To and Request-URI. */
  readonly domain: string;
  readonly accounts: readonly Account[];
  readonly #p: TrunkParts;
  readonly #health: Health;
  readonly #run: Drive<HealthIn>;
  /** Addresses its names led to the last time. */
  readonly #addresses = new Map<string, readonly string[]>();
  #unarm = (): void => {};

  constructor(config: TrunkConfig, parts: TrunkParts) {
    this.config = config;
    this.#p = parts;
    const home = config.register?.registrar ?? config.outbound?.proxies[0]?.uri;
    this.domain = config.domain ?? (home === undefined ? 'localhost' : hostPort(parseUri(home) as Uri));
    const { everyS, downAfter } = config.health;
    this.#health = new Health({
      proxies: this.#proxies.length,
      everyMs: everyS * 1000,
      downAfter,
      random: parts.random,
    });
    this.#run = drive(this.#health, parts.clock, out => {
      if (out.type === 'ping') void this.#ping(out.proxy);
      else this.#changed(out.proxy);
    });
    const { register } = config;
    this.accounts = (register?.accounts ?? []).map(
      a =>
        new Account({
          registrar: this.uriOf(register?.registrar as string),
          domain: this.domain,
          user: a.user,
          contact: `${escapeUser(a.user)}-${tokenOf(config.name, a.user, a.password)}`,
          room: a.room,
          credentials:
            a.password === undefined ? undefined : { username: a.authUser ?? a.user, password: a.password },
          expiresS: register?.expiresS as number,
          ask: this.#ask,
          keep: target => this.#keep(target),
          trunk: config.name,
          ...parts,
        }),
    );
  }

  start(): void {
    this.#run.feed({ type: 'start' });
    for (const account of this.accounts) account.start();
    void this.#lookUp();
  }

  /** Registrations are taken back, as far as the registrar answers. */
  async stop(): Promise<void> {
    this.#run.stop();
    this.#unarm();
    await Promise.all(this.accounts.map(a => a.stop()));
  }

  /** The trunk's transport, where an address names none. */
  uriOf(uri: string): string {
    const { transport } = this.config;
    const parsed = parseUri(uri);
    if (transport === undefined || parsed === undefined || parsed.params.has('transport')) return uri;
    return parsed.scheme === 'sips' ? uri : `${uri};transport=${transport}`;
  }

  /** What may carry its media: encrypted or nothing where all signalling is (and nobody said otherwise). */
  srtp(configured: Exclude<SrtpPolicy, 'preferred'>): Exclude<SrtpPolicy, 'preferred'> {
    if (this.config.srtp !== undefined) return this.config.srtp;
    const uris = this.#homes.map(uri => this.uriOf(uri));
    const secure = (uri: string): boolean => uri.startsWith('sips:') || /;transport=tls\b/i.test(uri);
    return uris.length > 0 && uris.every(secure) ? 'required' : configured;
  }

  get credentials(): Credentials | undefined {
    const { outbound, register } = this.config;
    if (outbound?.username !== undefined && outbound.password !== undefined)
      return { username: outbound.username, password: outbound.password };
    const account = register?.accounts[0];
    if (account?.password === undefined) return undefined;
    return { username: account.authUser ?? account.user, password: account.password };
  }

  /** Where a call to `number` goes: living proxies first, of one priority by weight, every address of each. */
  async hops(number: string): Promise<Hop[]> {
    const { outbound, tcpOver1300 } = this.config;
    const order = orderSrv(
      (outbound?.proxies ?? []).map((p, i) => ({ ...p, i })),
      this.#p.random,
    );
    const { credentials } = this;
    const user =
      outbound?.callerId ?? outbound?.username ?? this.config.register?.accounts[0]?.user ?? 'roombridge';
    const identity = outbound?.assertedIdentity;
    const hops: Hop[] = [];
    for (const { uri, i } of order)
      for (const target of await this.#p.locations.find(this.uriOf(uri)))
        hops.push({
          name: `${uri} (${targetName(target)})`,
          hasPassword: credentials !== undefined,
          target,
          proxy: i,
          flow: flowOfTarget(target, tcpOver1300),
          to: `sip:${escapeUser(number)}@${this.config.domain ?? hostPort(parseUri(uri) as Uri)}`,
          user,
          from: `sip:${escapeUser(user)}@${this.domain}`,
          headers:
            identity === undefined
              ? []
              : [['P-Asserted-Identity', `<sip:${escapeUser(identity)}@${this.domain}>`]],
          ...(credentials && { credentials }),
          note: (status, heard) => {
            this.#p.locations.note(target, heard === 'service');
            this.#run.feed({ type: 'call', proxy: i, status, answered: heard !== 'nothing' });
          },
        });
    const last = (h: Hop): number => Number(this.#p.locations.failedLately(h.target) || this.#isDown(h));
    return hops.sort((a, b) => last(a) - last(b));
  }

  /** Addresses behind the names of its sources, proxies and registrar. */
  get addresses(): ReadonlySet<string> {
    return new Set([...this.#addresses.values()].flat());
  }

  /** A trunk is known by the names in its list; without list and digest name, by its proxies and its registrar. */
  async #lookUp(): Promise<void> {
    const { clock } = this.#p;
    const { sources = [], username } = this.config.inbound ?? {};
    const named = sources.filter(isName).map(name => `sip:${name}:5060`);
    const listed = sources.length > 0 || username !== undefined;
    const uris = listed ? named : this.#homes.map(uri => this.uriOf(uri));
    this.#unarm =
      uris.length === 0 ? () => {} : clock.at(clock.now() + LOOK_UP_MS, () => void this.#lookUp());
    for (const uri of uris) {
      const targets = await this.#p.locations.find(uri);
      // What cannot be looked up now keeps the addresses it had.
      if (targets.length > 0) this.#addresses.set(uri, [...new Set(targets.map(t => t.address))]);
    }
  }

  state(): TrunkState {
    const { name, outbound } = this.config;
    const at = (ms: Millis): number => Math.round(Date.now() - this.#p.clock.now() + ms);
    const proxies = (outbound?.proxies ?? []).map((p, i): TrunkPart => {
      const { state, status, since, text } = this.#health.of(i);
      return { name: p.uri, state, since: at(since), text, ...(status > 0 && { status }) };
    });
    const accounts = this.accounts.map(a => a.part(at));
    const all = [...proxies, ...accounts];
    const some = (state: TrunkPart['state']): boolean => all.some(p => p.state === state);
    const state = all.length === 0 || some('up') ? 'up' : some('unknown') ? 'unknown' : 'down';
    return { trunk: name, gateway: 'sip', state, text: summary(proxies, accounts), proxies, accounts };
  }

  get #proxies(): readonly { readonly uri: string }[] {
    return this.config.outbound?.proxies ?? [];
  }
  /** Its proxies and its registrar. */
  get #homes(): string[] {
    const { register } = this.config;
    return [...this.#proxies.map(p => p.uri), ...(register === undefined ? [] : [register.registrar])];
  }

  #isDown({ proxy }: Hop): boolean {
    return proxy !== undefined && this.config.health.everyS > 0 && this.#health.of(proxy).state === 'down';
  }

  readonly #ask = (
    uri: string,
    request: Parameters<Asking['ask']>[1],
    more: Partial<AskOptions> = {},
    prefer?: Target,
  ): ReturnType<Asking['ask']> => {
    const { tryNextAfterMs, asking } = this.#p;
    return asking.ask(
      uri,
      request,
      { tcpOver1300: this.config.tcpOver1300, tryNextAfterMs, ...more },
      prefer,
    );
  };

  async #ping(proxy: number): Promise<void> {
    const uri = this.#proxies[proxy]?.uri as string;
    const { host } = parseUri(uri) as Uri;
    const request = {
      method: 'OPTIONS',
      uri: `sip:${hostPort(parseUri(uri) as Uri)}`,
      from: `sip:ping@${this.domain}`,
      to: `sip:${bracketed(host)}`,
      callId: randomBytes(16).toString('hex'),
      cseq: 1,
      contact: 'ping',
      headers: [['Accept', 'application/sdp'] as const],
    };
    const patienceMs = this.#p.tryNextAfterMs;
    const { status, response } = await this.#ask(this.uriOf(uri), request, { patienceMs });
    this.#run.feed({ type: 'pong', proxy, status, answered: response !== undefined });
  }

  #keep(target: Target): void {
    const everyMs = target.transport === 'udp' ? UDP_KEEP_MS : STREAM_KEEP_MS;
    this.#p.keepAlive(flowOfTarget(target, this.config.tcpOver1300), everyMs);
  }

  #changed(proxy: number): void {
    const { state, text } = this.#health.of(proxy);
    const { uri } = this.#proxies[proxy] as { uri: string };
    const fields = { trunk: this.config.name, proxy: uri };
    const say = `trunk ${this.config.name}: ${uri} is ${state}: ${text}`;
    if (state === 'down') this.#p.log.warn(fields, say);
    else this.#p.log.info(fields, say);
  }
}

/** Neither an address nor a network. */
const isName = (source: string): boolean =>
  /[A-Za-z]/.test(source) && !source.includes(':') && !source.includes('/');

export const hostPort = (uri: Uri): string => (uri.port === undefined ? uri.host : `${uri.host}:${uri.port}`);

/** Known to the registrar alone, and the same after a restart: what calls to the account come to. */
const tokenOf = (trunk: string, user: string, password = ''): string =>
  createHmac('sha256', password).update(`${trunk} ${user}`).digest('hex').slice(0, 12);

function summary(proxies: readonly TrunkPart[], accounts: readonly TrunkPart[]): string {
  const count = (parts: readonly TrunkPart[], state: TrunkPart['state']): number =>
    parts.filter(p => p.state === state).length;
  const texts: string[] = [];
  if (proxies.length > 0) texts.push(`${count(proxies, 'up')} of ${proxies.length} proxies answer`);
  if (accounts.length > 0)
    texts.push(`${count(accounts, 'up')} of ${accounts.length} accounts are registered`);
  return texts.length === 0
    ? 'It takes calls in; nothing is asked of the other side.'
    : `${texts.join('; ')}.`;
}
