import { answerChallenge, type Credentials } from './digest.ts';
import type { SipResponse } from './message.ts';
import type { HeaderLine } from './write.ts';

/** A client's credentials towards one server: later requests answer its last challenge before it is made again (RFC 7616 §3.6). */
export class DigestSession {
  readonly #who: Credentials;
  readonly #random: (bytes: number) => Buffer;
  #challenge: SipResponse | undefined;
  #count = 0;

  constructor(who: Credentials, random: (bytes: number) => Buffer) {
    this.#who = who;
    this.#random = random;
  }

  /** Takes a 401 or 407; false when nothing in it can be answered. `stale`: our password was right, the nonce too old. */
  challenged(r: SipResponse): { readonly stale: boolean } | undefined {
    const answer = answerChallenge(r, r.method, '', this.#who, 'probe');
    if (answer === undefined) return undefined;
    this.#challenge = r;
    this.#count = 0;
    return { stale: answer.stale };
  }

  /** For the next request; none before the first challenge. */
  authorize(method: string, uri: string): readonly HeaderLine[] {
    if (this.#challenge === undefined) return [];
    const cnonce = this.#random(8).toString('hex');
    const answer = answerChallenge(this.#challenge, method, uri, this.#who, cnonce, ++this.#count);
    return answer === undefined ? [] : [answer.header];
  }
}
