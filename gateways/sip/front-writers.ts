import type { Host, Termination } from '../../src/contract.ts';
import type { DigestServer } from '../../src/proto/sip/digest.ts';
import type { Flow } from '../../src/proto/sip/flow.ts';
import { textOf } from '../../src/proto/sip/grammar.ts';
import { type RequestRefusal, warning } from '../../src/proto/sip/inspect.ts';
import type { SipRequest } from '../../src/proto/sip/message.ts';
import type { WriterOf } from '../../src/proto/sip/stack.ts';
import type { Candidate } from '../../src/proto/sip/writers.ts';
import { callerOf, TOO_MANY_TRIES } from './front-access.ts';
import type { Guard } from './guard.ts';
import { refusalOf } from './status.ts';

/** What stands behind the name of whom a call is with. */
export type Proof =
  /** The name it knew the password of. */
  | { readonly by: 'digest'; readonly username: string }
  /** Its trunk, which may say so in P-Asserted-Identity (RFC 3325). */
  | { readonly by: 'trunk'; readonly asserted: string | undefined }
  /** Nothing but where it comes from. */
  | { readonly by: 'path' };

const STRANGER: Termination = {
  blame: 'client',
  reason: 'not-permitted',
  text: 'Texts are taken of callers only: call the room, and write to it under the same name and by the same way as you call.',
};
const SEVERAL: Termination = {
  blame: 'client',
  reason: 'not-permitted',
  text: 'You have more than one call with this room: write within one of them (RFC 3428), or hang up the others.',
};
const WRONG: Termination = {
  blame: 'client',
  reason: 'not-authorized',
  text: 'User name or password is not valid for this room, or has expired.',
};
const PROVE: Termination = {
  blame: 'client',
  reason: 'not-authorized',
  text: 'Texts outside of a call need the password of the call.',
};

export const assertedOf = (m: SipRequest): string | undefined =>
  m.headers.list('p-asserted-identity')?.join() || undefined;

/**
 * Whose text it is that came outside of any call, as phones send them (RFC 3428 §4). Anybody writes any name into From;
 * it is believed of whom the connection of the call shows, or over UDP the address, which can be forged: so who called
 * with a password writes with it, wherever it writes from. Everybody else hears a refusal that tells nothing of who is
 * in the room.
 */
export class TextWriters {
  readonly #host: Host;
  readonly #digest: DigestServer;
  readonly #guard: Guard;
  readonly #proofOf: (call: string) => Proof | undefined;

  constructor(host: Host, digest: DigestServer, guard: Guard, proofOf: (call: string) => Proof | undefined) {
    this.#host = host;
    this.#digest = digest;
    this.#guard = guard;
    this.#proofOf = proofOf;
  }

  readonly of: WriterOf = (text, flow, candidates) => {
    try {
      return this.#of(text, flow, candidates);
    } catch (error) {
      this.#host.log.error({ err: error, from: flow.host }, 'a text failed by a fault of ours');
      return { status: 500 };
    }
  };

  #of(text: SipRequest, flow: Flow, candidates: readonly Candidate[]): string | RequestRefusal {
    const here = candidates.filter(c => c.sameFlow);
    if (here.length > 1) return refusalOf(SEVERAL);
    if (here[0] !== undefined && this.#believes(here[0], text, flow)) return here[0].call;
    return this.#host.authRequired ? this.#byDigest(text, flow, candidates) : refusalOf(STRANGER);
  }

  /** Whether the way it came by is enough. */
  #believes({ call }: Candidate, text: SipRequest, flow: Flow): boolean {
    const proof = this.#proofOf(call);
    switch (proof?.by) {
      case undefined:
        return false;
      case 'digest':
        return flow.transport !== 'udp';
      case 'trunk':
        return proof.asserted === assertedOf(text);
      case 'path':
        return true;
    }
  }

  #byDigest(text: SipRequest, flow: Flow, candidates: readonly Candidate[]): string | RequestRefusal {
    const now = this.#host.clock.now();
    const caller = callerOf({ request: text });
    if (!this.#guard.mayTry(flow.host, caller, now)) return refusalOf(TOO_MANY_TRIES);
    const verdict = this.#digest.verify(text, now, name => this.#host.digestPasswords(textOf(name)));
    if (verdict.ok) {
      const username = textOf(verdict.username);
      const [only, ...more] = candidates.filter(c => {
        const proof = this.#proofOf(c.call);
        return proof?.by === 'digest' && proof.username === username;
      });
      return only === undefined || more.length > 0 ? refusalOf(only ? SEVERAL : STRANGER) : only.call;
    }
    if (verdict.why === 'wrong') {
      this.#host.count('unauthorized', 'digest');
      this.#guard.refused(WRONG.reason, flow, caller, now);
      return refusalOf(WRONG);
    }
    const userAgent = text.headers.get('user-agent') ?? '';
    const challenge = this.#digest.challenge(now, verdict.why === 'stale', userAgent);
    return { status: 401, headers: [...challenge, ...warning(PROVE.text as string)] };
  }
}
