import type { Termination, TrunkState } from '../../../src/contract.ts';
import { type Refusal, refuse } from '../../../src/kit/refusal.ts';
import {
  applyRules,
  bareNumber,
  isNumber,
  matchesPattern,
  toE164,
} from '../../../src/proto/sip/number-rules.ts';
import { parseUri, type Uri, userOf } from '../../../src/proto/sip/uri.ts';
import type { SipConfig } from '../config.ts';
import { isWithin, networks } from '../config-guard.ts';
import type { SrtpPolicy } from '../native.ts';
import { flowOfTarget, targetName } from './locating.ts';
import { type Hop, hostPort, Trunk, type TrunkParts } from './trunk.ts';

type Configured = Exclude<SrtpPolicy, 'preferred'>;

/** Where a call out goes, once it was found to be allowed. */
export interface Route {
  /** For people: `+4930123 through trunk office`. */
  readonly text: string;
  /** What the member is called, if nobody says better. */
  readonly user: string;
  readonly srtp: Configured;
  readonly find: () => Promise<readonly Hop[]>;
}

/** Not for strangers to be led to: loopback, private, link-local, shared, multicast (RFC 6890). */
const INNER = networks([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/3'],
  ...['::/127', '::ffff:0:0/96', 'fc00::/7', 'fe80::/10', 'ff00::/8', '64:ff9b::/96'],
]);

const USER = 'roombridge';

/** All trunks of a front: what may be called, who calls, and how they are. */
export class Trunks {
  readonly all: readonly Trunk[];
  readonly #config: SipConfig;
  readonly #parts: TrunkParts;

  constructor(config: SipConfig, parts: TrunkParts) {
    this.#config = config;
    this.#parts = parts;
    this.all = config.trunks.map(t => new Trunk(t, parts));
  }

  start(): void {
    for (const trunk of this.all) trunk.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map(t => t.stop()));
  }

  states(): readonly TrunkState[] {
    return this.all.map(t => t.state());
  }

  /** Throws a Refusal (403) that names the setting which would allow it. */
  route(to: string, trunkName: string | undefined): Route {
    if (trunkName !== undefined && !this.all.some(t => t.config.name === trunkName))
      throw refuse(
        'client',
        'no-such-trunk',
        `There is no trunk ${trunkName}; see GET /trunks for those there are.`,
      );
    const number = bareNumber(to.replace(/^tel:/i, '').split(';', 1)[0] as string);
    if (isNumber(number)) return this.#numberRoute(number, trunkName);
    const uri = parseUri(to);
    const user = uri === undefined ? undefined : userOf(uri);
    const scheme = uri?.scheme === 'sip' || uri?.scheme === 'sips';
    if (uri === undefined || !scheme || user === undefined || uri.headers !== undefined)
      throw refuse(
        'client',
        'bad-target',
        `${to} is neither a number such as +4930123456 nor an address such as sip:bob@example.org.`,
      );
    return this.#ofTrunk(uri, user, trunkName) ?? this.#allowed(uri, user, trunkName);
  }

  #numberRoute(number: string, trunkName: string | undefined): Route {
    for (const trunk of this.all) {
      if (trunkName !== undefined && trunk.config.name !== trunkName) continue;
      const route = this.#through(trunk, number);
      if (route !== undefined) return route;
    }
    const which = trunkName === undefined ? 'No trunk takes' : `Trunk ${trunkName} does not take`;
    throw notAllowed(
      `${which} ${number}: give one a rule in sip.trunks[].outbound.numbers whose pattern fits the whole of it.`,
    );
  }

  #through(trunk: Trunk, text: string): Route | undefined {
    const { outbound, numberPlan, name } = trunk.config;
    if (outbound === undefined) return undefined;
    const bare = bareNumber(text);
    const number = isNumber(bare) ? toE164(bare, numberPlan) : text;
    const dialled = outbound.numbers.length === 0 ? number : applyRules(number, outbound.numbers);
    if (dialled === undefined || dialled === '') return undefined;
    return {
      text: `${number} through trunk ${name}`,
      user: number,
      srtp: trunk.srtp(this.#config.srtp),
      find: () => trunk.hops(dialled),
    };
  }

  /** An address at a trunk's domain or proxy is a number of that trunk. */
  #ofTrunk(uri: Uri, user: string, trunkName: string | undefined): Route | undefined {
    const where = hostPort(uri);
    for (const trunk of this.all) {
      const { config } = trunk;
      if (trunkName !== undefined && config.name !== trunkName) continue;
      const proxies = (config.outbound?.proxies ?? []).map(p => hostPort(parseUri(p.uri) as Uri));
      if (![config.domain, ...proxies].includes(where)) continue;
      const route = this.#through(trunk, user);
      if (route !== undefined) return route;
    }
    return undefined;
  }

  #allowed(uri: Uri, user: string, trunkName: string | undefined): Route {
    const plain = `${uri.scheme}:${uri.user}@${hostPort(uri)}`;
    const pattern =
      trunkName === undefined ? this.#config.dialOut.allow.find(p => matchesPattern(plain, p)) : undefined;
    if (pattern === undefined)
      throw notAllowed(
        `${plain} may not be called: no trunk has that host and a rule for ${user}, and sip.dialOut.allow has no pattern for it.`,
      );
    const transport = uri.params.get('transport');
    const to = transport === undefined ? plain : `${plain};transport=${transport}`;
    const anywhere = /@(\[[^\]]*\]|[^:]*)/.exec(pattern)?.[1]?.includes('*') !== false;
    return { text: plain, user, srtp: this.#config.srtp, find: () => this.#direct(to, anywhere) };
  }

  /** `anywhere`: the host was not named by an administrator, so it must not lead into our own networks. */
  async #direct(to: string, anywhere: boolean): Promise<Hop[]> {
    const { locations } = this.#parts;
    const targets = await locations.find(to);
    const outer = anywhere
      ? targets.filter(t => INNER !== undefined && !isWithin(INNER, t.address))
      : targets;
    if (targets.length > 0 && outer.length === 0)
      throw notAllowed(
        `${to} leads into a private network, which a pattern with * in the host does not allow: name the host in sip.dialOut.allow.`,
      );
    return outer.map(target => ({
      name: `${target.host} (${targetName(target)})`,
      hasPassword: false,
      target,
      flow: flowOfTarget(target, false),
      to,
      user: USER,
      headers: [],
      note: (_status, heard) => locations.note(target, heard === 'service'),
    }));
  }
}

const notAllowed = (text: string): Refusal => refuse('client', 'not-permitted', text);

/** Nothing to try: the name leads nowhere. */
export const nowhere = (text: string): Termination => ({
  blame: 'upstream',
  reason: 'name-not-found',
  text: `${text}: its host leads nowhere. Check the spelling and the DNS records.`,
});
