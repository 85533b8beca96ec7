import { answerChallenge, type Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { SipResponse } from './message.ts';
import { newTag, newVia, type Stack } from './stack.ts';
import type { ClientUser } from './transaction.ts';
import type { HeaderLine, OutgoingRequest } from './write.ts';

/** Repeats a challenged request once, twice if the nonce was stale (RFC 3261 §22.2); not for ever against a wrong password. */
export class Challenged {
  readonly #stack: Stack;
  readonly #credentials: Credentials | undefined;
  #tries = 0;
  constructor(stack: Stack, credentials: Credentials | undefined) {
    this.#stack = stack;
    this.#credentials = credentials;
  }

  /** The same request with credentials and the next CSeq, or undefined when `r` is final for us. */
  again(
    request: OutgoingRequest,
    r: SipResponse,
    flow: Flow,
    nextSeq: () => number,
  ): OutgoingRequest | undefined {
    if ((r.status !== 401 && r.status !== 407) || this.#credentials === undefined) return undefined;
    const cnonce = newTag(this.#stack);
    const answer = answerChallenge(r, request.method, request.uri, this.#credentials, cnonce);
    if (answer === undefined || this.#tries > (answer.stale ? 1 : 0)) return undefined;
    this.#tries++;
    const kept = request.headers.filter(([name]: HeaderLine) => name !== answer.header[0]);
    return {
      ...request,
      cseq: nextSeq(),
      via: newVia(this.#stack, flow),
      headers: [...kept, answer.header],
    };
  }
}

/** One request that is no INVITE (BYE, INFO, OPTIONS) and its final status: 408 when none came, 503 when it could not go. */
export class RequestClient implements ClientUser {
  readonly #stack: Stack;
  readonly #call: string | undefined;
  #flow: Flow;
  #again: (() => Flow) | undefined;
  readonly #nextSeq: () => number;
  readonly #challenged: Challenged;
  readonly #done: (status: number, r?: SipResponse) => void;

  constructor(
    stack: Stack,
    request: Omit<OutgoingRequest, 'via'>,
    o: {
      flow: Flow;
      call?: string;
      credentials?: Credentials | undefined;
      nextSeq: () => number;
      /** Where it goes once more when its connection broke. */
      again?: () => Flow;
      done: (status: number, r?: SipResponse) => void;
    },
  ) {
    this.#stack = stack;
    this.#call = o.call;
    this.#flow = o.flow;
    this.#nextSeq = o.nextSeq;
    this.#again = o.again;
    this.#challenged = new Challenged(stack, o.credentials);
    this.#done = o.done;
    const name: HeaderLine = ['User-Agent', stack.config.name];
    this.#start({ ...request, headers: [...request.headers, name], via: newVia(stack, o.flow) });
  }

  #start(request: OutgoingRequest): void {
    this.#stack.layer.request(request, this.#flow, this, this.#call);
  }

  response(r: SipResponse, t: { readonly request: OutgoingRequest }): void {
    if (r.status < 200) return;
    const again = this.#challenged.again(t.request, r, this.#flow, this.#nextSeq);
    if (again === undefined) this.#done(r.status, r);
    else this.#start(again);
  }

  failed(why: 'timeout' | 'transport', t: { readonly request: OutgoingRequest }): void {
    const flow = why === 'transport' ? this.#again?.() : undefined;
    if (flow !== undefined) {
      this.#again = undefined;
      this.#flow = flow;
      return this.#start({ ...t.request, via: newVia(this.#stack, flow) });
    }
    this.#done(why === 'timeout' ? 408 : 503);
  }
}
