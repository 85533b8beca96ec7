import type { Termination, Who } from '../../../src/contract.ts';
import { parseNameAddr } from '../../../src/proto/sip/address.ts';
import { type DigestServer, parseDigest } from '../../../src/proto/sip/digest.ts';
import { textOf } from '../../../src/proto/sip/grammar.ts';
import { applyRules, bareNumber, isNumber, toE164 } from '../../../src/proto/sip/number-rules.ts';
import type { Invite } from '../../../src/proto/sip/signalling.ts';
import { userOf } from '../../../src/proto/sip/uri.ts';
import type { SipConfig } from '../config.ts';
import { isWithin, networks } from '../config-guard.ts';
import { type Access, callerOf, refused } from '../front-access.ts';
import type { Trunk } from './trunk.ts';
import type { Trunks } from './trunks.ts';

type List = NonNullable<ReturnType<typeof networks>>;

/** A call that a trunk vouches for, one of its callers to be challenged or refused, or (undefined) a stranger's. */
export type TrunkAccess = Access | undefined;

/** Which calls come from a trunk, and to which room they go. */
export class Inbound {
  readonly #trunks: Trunks;
  readonly #config: Pick<SipConfig, 'srtp'>;
  readonly #digest: DigestServer;
  readonly #lists = new Map<Trunk, List>();

  constructor(trunks: Trunks, config: Pick<SipConfig, 'srtp'>, digest: DigestServer) {
    this.#trunks = trunks;
    this.#config = config;
    this.#digest = digest;
    for (const trunk of trunks.all) {
      const numeric = (trunk.config.inbound?.sources ?? []).filter(s => networks([s]) !== undefined);
      const list = networks(numeric);
      if (numeric.length > 0 && list !== undefined) this.#lists.set(trunk, list);
    }
  }

  /** An address some trunk's messages come from: asked at every message. */
  readonly isSource = (host: string): boolean => this.#trunks.all.some(t => this.#isOf(t, host));

  admit(invite: Invite, now: number): TrunkAccess {
    const contact = invite.request.uri.user;
    for (const trunk of this.#trunks.all)
      for (const account of trunk.accounts)
        if (account.contact === contact)
          return this.#enter(trunk, invite, account.room ?? roomOf(trunk, account.user));
    // Who has proxies only for calls out says nothing of calls in: those are strangers'.
    const trunk = this.#trunks.all.find(t => hasInbound(t) && this.#isOf(t, invite.flow.host));
    if (trunk !== undefined) return this.#enter(trunk, invite, roomOf(trunk, numberOf(trunk, invite)));
    return this.#byDigest(invite, now);
  }

  #isOf(trunk: Trunk, host: string): boolean {
    const list = this.#lists.get(trunk);
    return (list !== undefined && isWithin(list, host)) || trunk.addresses.has(host);
  }

  #byDigest(invite: Invite, now: number): TrunkAccess {
    const named = this.#trunks.all.filter(t => t.config.inbound?.username !== undefined);
    if (named.length === 0) return undefined;
    const given = usernameOf(invite);
    const trunk =
      named.find(t => t.config.inbound?.username === given) ??
      named.find(t => given === undefined && isNumbered(t) && roomOf(t, numberOf(t, invite)) !== undefined);
    if (trunk === undefined) return undefined;
    const { username, password = '' } = trunk.config.inbound ?? {};
    const verdict = this.#digest.verify(invite.request, now, name =>
      name === username ? [password] : undefined,
    );
    if (verdict.ok) return this.#enter(trunk, invite, roomOf(trunk, numberOf(trunk, invite)));
    const { name } = trunk.config;
    if (verdict.why === 'wrong') return refused(notAuthorized(`Name or password of trunk ${name} is wrong.`));
    const userAgent = invite.request.headers.get('user-agent') ?? '';
    const headers = this.#digest.challenge(now, verdict.why === 'stale', userAgent);
    return { ok: false, status: 401, headers, why: notAuthorized(`Trunk ${name} needs its password.`) };
  }

  #enter(trunk: Trunk, invite: Invite, room: string | undefined): TrunkAccess {
    const { name } = trunk.config;
    if (room === undefined || room === '') {
      const text = `No rule of trunk ${name} takes ${numberOf(trunk, invite) || 'a call without number'}: give it one in inbound.numbers, or set inbound.room.`;
      return refused({ blame: 'client', reason: 'not-found', text });
    }
    return { ok: true, room, who: whoOf(invite), srtp: trunk.srtp(this.#config.srtp) };
  }
}

const hasInbound = (t: Trunk): boolean => t.config.inbound !== undefined || t.config.register !== undefined;
/** It says which numbers are its own: only those are worth a challenge to strangers. */
const isNumbered = (t: Trunk): boolean => (t.config.inbound?.numbers.length ?? 0) > 0;

const notAuthorized = (text: string): Termination => ({ blame: 'client', reason: 'not-authorized', text });

/** The room of a number; undefined when no rule takes it. */
function roomOf(trunk: Trunk, text: string): string | undefined {
  const { inbound, numberPlan } = trunk.config;
  const bare = bareNumber(text);
  const number = isNumber(bare) ? toE164(bare, numberPlan) : text;
  const rules = inbound?.numbers ?? [];
  if (rules.length > 0) return applyRules(number, rules) ?? inbound?.room;
  return inbound?.room ?? text;
}

/** The number the trunk's rules look at; '' when the message has none. */
function numberOf(trunk: Trunk, { request }: Invite): string {
  switch (trunk.config.inbound?.number ?? 'request') {
    case 'request':
      return userOf(request.uri) ?? '';
    case 'to':
      return userOf(request.to.uri) ?? '';
    case 'diversion': {
      // RFC 5806 §5: the newest stands first. A call that was not diverted has none, and goes by its Request-URI.
      const first = parseNameAddr(request.headers.list('diversion')?.[0] ?? '');
      return userOf(first?.uri ?? request.uri) ?? '';
    }
  }
}

/** A trunk is trusted to say who calls: P-Asserted-Identity (RFC 3325 §9.1) before From. */
function whoOf(invite: Invite): Who {
  const { request, flow } = invite;
  const asserted = parseNameAddr(request.headers.list('p-asserted-identity')?.[0] ?? '');
  const user = asserted === undefined ? undefined : userOf(asserted.uri);
  const display = (asserted?.display ?? request.from.display)?.slice(0, 128);
  return {
    user: (user ?? callerOf(invite)).slice(0, 128),
    ...(display && { display }),
    proof: 'trunk',
    address: flow.host,
  };
}

function usernameOf({ request }: Invite): string | undefined {
  const given = request.headers.get('authorization');
  const username = given === undefined ? undefined : parseDigest(given)?.get('username');
  return username === undefined ? undefined : textOf(username);
}
