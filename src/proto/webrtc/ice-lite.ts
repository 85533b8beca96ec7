import type { Millis } from '../../kit/core.ts';
import { BINDING_REQUEST, bindingError, bindingSuccess, integrityHolds, type StunMessage } from './stun.ts';

/** Where a datagram came from or goes to. `key` is both in one string, made once by whoever reads the socket. */
export interface PeerAddress {
  readonly address: string;
  readonly port: number;
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** RFC 7675 §5.1: consent expires after 30 s without a valid check. */
const CONSENT_MS = 30_000;

/** Browsers check every 2.5 s, RFC 7675 wants it every 5 s: two in a row may be lost. */
const ABSENT_MS = 11_000;

/** RFC 8445 §5.3: at least 24 bits for ufrag and 128 for pwd, of letters, digits, + and /. */
export const iceCredentials = (random: (n: number) => Buffer): IceCredentials => ({
  ufrag: random(6).toString('base64'),
  pwd: random(18).toString('base64'),
});

export type IceVerdict =
  | { readonly reply: Buffer; readonly valid: boolean; readonly nominated: boolean }
  | 'not-a-request'
  | 'wrong-ufrag'
  | 'forged';

/**
 * The lite side of ICE (RFC 8445 §2.5): answers the peer's checks and sends none. Knows nothing of sockets; a `valid`
 * verdict proves that the peer at that address knows our password.
 * Restart (§9): new credentials are answered beside the old ones until the peer nominates a pair with the new.
 */
export class IceLite {
  #current: IceCredentials;
  #previous: IceCredentials | undefined;
  /** Where to send: the pair nominated last. */
  nominated: PeerAddress | undefined;
  #lastCheckAt: Millis;

  constructor(credentials: IceCredentials, now: Millis) {
    this.#current = credentials;
    this.#lastCheckAt = now;
  }

  get credentials(): IceCredentials {
    return this.#current;
  }

  /** When consent expires unless a valid check comes. */
  get consentUntil(): Millis {
    return this.#lastCheckAt + CONSENT_MS;
  }

  /** When the peer, which checks every few seconds, has been silent for so long that its network is gone for now. */
  get absentAt(): Millis {
    return this.#lastCheckAt + ABSENT_MS;
  }

  /** Ufrags that reach this session now. */
  get ufrags(): readonly string[] {
    return this.#previous ? [this.#current.ufrag, this.#previous.ufrag] : [this.#current.ufrag];
  }

  restart(credentials: IceCredentials): void {
    this.#previous = this.#current;
    this.#current = credentials;
  }

  check(m: StunMessage, from: PeerAddress, now: Millis): IceVerdict {
    if (m.type !== BINDING_REQUEST) return 'not-a-request';
    const ufrag = localUfrag(m);
    const used = [this.#current, this.#previous].find(c => c?.ufrag === ufrag);
    if (used === undefined) return 'wrong-ufrag';
    if (!integrityHolds(m, used.pwd)) return 'forged';
    if (m.unknown.length > 0) return refused(bindingError(m, used.pwd, 420));
    if (m.controlled) return refused(bindingError(m, used.pwd, 487));
    const reply = bindingSuccess(m, used.pwd, from.address, from.port);
    if (reply === undefined) return 'forged';
    this.#lastCheckAt = now;
    if (m.useCandidate && (used === this.#current || this.nominated === undefined)) {
      this.nominated = { address: from.address, port: from.port };
      if (used === this.#current) this.#previous = undefined;
      return { reply, valid: true, nominated: true };
    }
    return { reply, valid: true, nominated: false };
  }
}

const refused = (reply: Buffer): IceVerdict => ({ reply, valid: false, nominated: false });

/** RFC 8445 §7.2.2: USERNAME is `<ours>:<theirs>`. */
export const localUfrag = (m: StunMessage): string => m.username.split(':', 1)[0]!;
