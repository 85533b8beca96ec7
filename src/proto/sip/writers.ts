import type { Flow } from './flow.ts';
import type { SipRequest } from './message.ts';
import { type Uri, unescapeUri } from './uri.ts';

/** Whom a call is with, and under which names that one knows us. */
export interface Party {
  /** As `addressOf` has it; undefined: nobody in particular. */
  readonly peer: string | undefined;
  /** User parts of our addresses: what was dialled, or what our INVITE said it is from. */
  readonly us: readonly (string | undefined)[];
}

/** A call as far as it matters for who wrote a text. */
export interface Talk {
  readonly id: string;
  readonly party: Party;
  /** The peer's requests within the call would come this way. */
  comesBy(flow: Flow): boolean;
}

/** A call between the one a text says it is from and the one it is for. From is what anybody may write there: no proof. */
export interface Candidate {
  readonly call: string;
  /** The text came the way the call's own requests come. */
  readonly sameFlow: boolean;
}

/**
 * Names compare as RFC 3261 §19.1.4 has it: users octet by octet, hosts in any case, no port is not 5060.
 * Parameters are of the request, not of the name. Callers who hide (RFC 3323 §4.1.1.3) share one name: it is nobody's.
 */
export function addressOf({ scheme, user, host, port }: Uri): string | undefined {
  if ((scheme !== 'sip' && scheme !== 'sips') || user === undefined) return undefined;
  const name = unescapeUri(user);
  if (name.toLowerCase() === 'anonymous' || host === 'anonymous.invalid') return undefined;
  return `${name}@${host}${port === undefined ? '' : `:${port}`}`;
}

/** UDP has no connections: there the address is the path, whichever socket of ours it came to. */
export const isSamePath = (a: Flow, b: Flow): boolean =>
  a.transport === 'udp' && b.transport === 'udp' ? a.host === b.host && a.port === b.port : a.id === b.id;

/** Calls by whom they are with: who writes to us outside of them (RFC 3428 §4) is one of those, or a stranger. */
export class Writers {
  readonly #byPeer = new Map<string, Set<Talk>>();

  add(call: Talk): void {
    const { peer } = call.party;
    if (peer === undefined) return;
    const known = this.#byPeer.get(peer);
    if (known === undefined) this.#byPeer.set(peer, new Set([call]));
    else known.add(call);
  }

  delete(call: Talk): void {
    const { peer } = call.party;
    const known = peer === undefined ? undefined : this.#byPeer.get(peer);
    known?.delete(call);
    if (known?.size === 0) this.#byPeer.delete(peer as string);
  }

  /** The calls in which `text` may have been written, going by its From and Request-URI. */
  candidates(text: SipRequest, flow: Flow): Candidate[] {
    const peer = addressOf(text.from.uri);
    const asked = text.uri.user;
    const calls = peer === undefined || asked === undefined ? undefined : this.#byPeer.get(peer);
    return [...(calls ?? [])]
      .filter(call => call.party.us.some(us => us !== undefined && sameUser(us, asked as string)))
      .map(call => ({ call: call.id, sameFlow: call.comesBy(flow) }));
  }
}

const sameUser = (a: string, b: string): boolean => unescapeUri(a) === unescapeUri(b);
