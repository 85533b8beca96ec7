import { type Core, type Millis, NEVER, type Tick } from '../../kit/core.ts';
import { parseNameAddr } from './address.ts';
import type { Credentials } from './digest.ts';
import { DigestSession } from './digest-session.ts';
import type { OutsideRequest } from './events.ts';
import { headerText, type SipResponse } from './message.ts';

/** RFC 5626 §4.5: "base-time … 30 seconds", doubled with every failure, "max-time … 1800 seconds". */
const BASE_MS = 30_000;
const MAX_MS = 1_800_000;
const MAX_BRIEF = 3;

export interface RegistrationOptions {
  /** Request-URI: the domain, without user (RFC 3261 §10.2). */
  readonly registrar: string;
  /** Address of record. */
  readonly aor: string;
  /** User part of our Contact. */
  readonly contact: string;
  readonly credentials: Credentials | undefined;
  readonly expiresS: number;
  readonly random: (bytes: number) => Buffer;
}

export type RegistrationIn =
  | { readonly type: 'start' | 'stop' }
  /** The final answer to the last `register`; 408 without a response when nobody answered, 503 when nobody could be reached. */
  | { readonly type: 'answer'; readonly status: number; readonly response: SipResponse | undefined };

export type RegistrationOut =
  | { readonly type: 'register'; readonly request: OutsideRequest }
  /** `status` and `text` are new. */
  | { readonly type: 'changed' }
  /** It is over: nothing is registered any more, or nobody could be told. */
  | { readonly type: 'stopped' };

/**
 * One account kept registered: RFC 3261 §10.2. `idle`, `trying` (a REGISTER is out), `registered`, `waiting` (it failed
 * and is tried again), `leaving` (Expires: 0 is out), `gone`.
 */
export class Registration implements Core<RegistrationIn, RegistrationOut> {
  state: 'idle' | 'trying' | 'registered' | 'waiting' | 'leaving' | 'gone' = 'idle';
  /** The last final status; 0: none yet. */
  status = 0;
  /** One sentence. */
  text = 'It has not been tried yet.';
  /** Since when it is up, or not. */
  since: Millis = 0;
  /** When the registration runs out if it is not refreshed. */
  until: Millis = NEVER;
  deadline: Millis = NEVER;
  readonly #o: RegistrationOptions;
  readonly #digest: DigestSession | undefined;
  readonly #callId: string;
  readonly #out: RegistrationOut[] = [];
  #expiresS: number;
  #cseq = 0;
  #failures = 0;
  /** Challenges and too-brief answers since the last that counted. */
  #challenges = 0;
  #briefs = 0;
  #up = false;

  constructor(options: RegistrationOptions) {
    this.#o = options;
    this.#expiresS = options.expiresS;
    // §10.2: "All registrations from a UAC SHOULD use the same Call-ID header field value for registrations sent to a particular registrar."
    this.#callId = options.random(16).toString('hex');
    if (options.credentials !== undefined)
      this.#digest = new DigestSession(options.credentials, options.random);
  }

  /** The last REGISTER was good, and its time is not over. */
  get up(): boolean {
    return this.#up;
  }

  poll(): RegistrationOut | undefined {
    return this.#out.shift();
  }

  handle(input: RegistrationIn | Tick, now: Millis): void {
    switch (input.type) {
      case 'start':
        if (this.state !== 'idle') return;
        this.since = now;
        return this.#begin();
      case 'tick':
        if (now < this.deadline) return;
        this.deadline = NEVER;
        if (this.#up && now >= this.until) this.#down(now);
        if (this.state === 'registered' || this.state === 'waiting') this.#begin();
        return;
      case 'stop':
        return this.#stop();
      case 'answer':
        if (this.state === 'leaving') return this.#left(input.status, input.response);
        if (this.state === 'trying') this.#answered(input.status, input.response, now);
    }
  }

  #begin(): void {
    this.state = 'trying';
    this.#challenges = this.#briefs = 0;
    this.#send(this.#expiresS);
  }

  #send(expiresS: number): void {
    const { registrar, aor, contact } = this.#o;
    const request: OutsideRequest = {
      method: 'REGISTER',
      uri: registrar,
      from: aor,
      to: aor,
      callId: this.#callId,
      cseq: ++this.#cseq,
      contact,
      headers: [['Expires', String(expiresS)], ...(this.#digest?.authorize('REGISTER', registrar) ?? [])],
    };
    this.#out.push({ type: 'register', request });
  }

  #answered(status: number, r: SipResponse | undefined, now: Millis): void {
    this.status = status;
    if (status < 300) return this.#registered(r, now);
    if ((status === 401 || status === 407) && r !== undefined) {
      if (this.#answerChallenge(r)) return this.#send(this.#expiresS);
      return this.#failed(this.#wrongPassword(status), now);
    }
    if (status === 423 && r !== undefined && this.#briefs++ < MAX_BRIEF) {
      // §10.2.8: "it MAY retry the registration after making the expiration interval … equal to or greater than … Min-Expires".
      const least = Number(/^\s*(\d{1,6})/.exec(r.headers.get('min-expires') ?? '')?.[1] ?? 0);
      if (least > this.#expiresS) {
        this.#expiresS = least;
        return this.#send(least);
      }
    }
    this.#failed(failureText(status, r), now);
  }

  /** A second challenge to our answer means that it was wrong, unless the nonce was only too old. */
  #answerChallenge(r: SipResponse): boolean {
    const challenge = this.#digest?.challenged(r);
    if (challenge === undefined) return false;
    // One for an old nonce used again, one for its successor, one more for `stale`.
    return this.#challenges++ < (challenge.stale ? 2 : 1);
  }

  #wrongPassword(status: number): string {
    return this.#digest === undefined
      ? `The registrar asks for a password (${status}): set one for this account.`
      : `The registrar refused user name or password (${status}): correct them for this account.`;
  }

  #registered(r: SipResponse | undefined, now: Millis): void {
    this.state = 'registered';
    this.#failures = 0;
    const grantedS = this.#granted(r);
    this.until = now + grantedS * 1000;
    // Between 80 and 90 per cent of the time: soon enough for a try to fail, and not all at once.
    this.deadline = now + grantedS * (800 + this.#draw(100));
    this.text = `Registered for ${grantedS} s.`;
    if (!this.#up) this.since = now;
    this.#up = true;
    this.#out.push({ type: 'changed' });
  }

  /** §10.2.4: the expires of our own Contact, else the Expires header, else what we asked for. */
  #granted(r: SipResponse | undefined): number {
    const own = (r?.headers.list('contact') ?? [])
      .map(parseNameAddr)
      .find(c => c?.uri.user === this.#o.contact)
      ?.params.get('expires');
    const said = Number(own ?? r?.headers.get('expires') ?? this.#expiresS);
    return Number.isInteger(said) && said > 0 ? Math.min(said, 86_400) : this.#expiresS;
  }

  #failed(text: string, now: Millis): void {
    this.state = 'waiting';
    this.text = text;
    // RFC 5626 §4.5: "wait-time = min( max-time, (base-time * (2 ^ consecutive-failures)))", of which 50 to 100 per cent.
    const most = Math.min(MAX_MS, BASE_MS * 2 ** Math.min(this.#failures++, 10));
    this.deadline = now + (most * (500 + this.#draw(501))) / 1000;
    // What is registered holds until its time is over; that moment is not to be missed.
    if (this.#up && this.until <= now) this.#down(now);
    else if (this.#up) this.deadline = Math.min(this.deadline, this.until);
    this.#out.push({ type: 'changed' });
  }

  #down(now: Millis): void {
    this.#up = false;
    this.since = now;
    this.until = NEVER;
  }

  #stop(): void {
    const there = this.#up || this.state === 'trying';
    this.deadline = NEVER;
    if (!there) return this.#gone();
    this.state = 'leaving';
    this.#challenges = 0;
    this.#send(0);
  }

  #left(status: number, r: SipResponse | undefined): void {
    if ((status === 401 || status === 407) && r !== undefined && this.#answerChallenge(r))
      return this.#send(0);
    this.#gone();
  }

  #gone(): void {
    if (this.state === 'gone') return;
    this.state = 'gone';
    this.#up = false;
    this.text = 'It was unregistered.';
    this.#out.push({ type: 'stopped' });
  }

  /** 0 … n − 1. */
  #draw(n: number): number {
    return this.#o.random(2).readUInt16BE(0) % n;
  }
}

function failureText(status: number, r: SipResponse | undefined): string {
  if (r === undefined && status === 404)
    return 'The name of the registrar leads nowhere: check its spelling and the DNS records.';
  if (r === undefined)
    return status === 503
      ? 'No connection to the registrar could be made: check its address, its port and the firewall between.'
      : 'The registrar does not answer: check its address, its port and the firewall between.';
  const code = `${status} ${r.reason}`;
  switch (status) {
    case 403:
      return `The registrar does not let this account in (${code}): check name, password and domain.`;
    case 404:
      return `The registrar knows no such account (${code}): check user and domain.`;
    case 423:
      return `The registrar wants longer registrations (${code}) and does not say how long: raise expiresS.`;
    case 503:
      return `The registrar takes no registrations now (${code}).`;
    default: {
      const warning = headerText(r, 'warning');
      return `The registrar refused (${code})${warning === undefined ? '' : `: ${warning}`}.`;
    }
  }
}
