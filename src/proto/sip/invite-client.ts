import { tagOf } from './address.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { SipResponse } from './message.ts';
import { Challenged } from './request-client.ts';
import { newVia, type Stack } from './stack.ts';
import type { Timer, TimerOwner } from './timers.ts';
import type { ClientTransaction, ClientUser } from './transaction.ts';
import { type HeaderLine, type OutgoingRequest, writeRequest } from './write.ts';

/** An INVITE without final response is cancelled after this long: RFC 3261 gives the client no limit, and we hold state. */
const PATIENCE_MS = 180_000;
const MAX_FORKS = 16;

/** What its call wants to know. */
export interface InviteClientUser {
  progress(r: SipResponse): void;
  /** The first 2xx; `acknowledge` is due. */
  accepted(r: SipResponse, by: InviteClient): void;
  /** A 2xx of another fork: RFC 3261 §13.2.2.4, acknowledge it and hang it up. */
  forked(r: SipResponse, by: InviteClient): void;
  /** Final, with nothing more to come. `r` undefined: timed out (408) or unsendable (503). */
  refused(status: number, r: SipResponse | undefined): void;
  nextSeq(): number;
}

/** Our INVITE or re-INVITE until its ACK: RFC 3261 §13.2, CANCEL §9.1. */
export class InviteClient implements ClientUser, TimerOwner {
  request: OutgoingRequest;
  readonly flow: Flow;
  /** To tag of a 2xx → its ACK, sent again whenever that 2xx comes again. */
  readonly #acks = new Map<string, { readonly bytes: Buffer; readonly flow: Flow }>();
  #acceptedTag: string | undefined;
  #limit: Timer | undefined;
  #cancel: 'no' | 'wanted' | 'sent' = 'no';
  #cancelHeaders: readonly HeaderLine[] = [];
  #provisional = false;
  #transaction: ClientTransaction | undefined;
  readonly #stack: Stack;
  readonly #call: string;
  readonly #user: InviteClientUser;
  readonly #challenged: Challenged;

  constructor(
    stack: Stack,
    call: string,
    request: Omit<OutgoingRequest, 'via'>,
    o: { flow: Flow; credentials: Credentials | undefined; user: InviteClientUser },
  ) {
    this.#stack = stack;
    this.#call = call;
    this.flow = o.flow;
    this.#user = o.user;
    this.#challenged = new Challenged(stack, o.credentials);
    this.request = { ...request, via: newVia(stack, o.flow) };
  }

  /** Apart from the constructor: a transport error may come back from inside it. */
  start(): void {
    this.#provisional = false;
    this.#limit ??= this.#stack.timers.start(this, 'limit', this.#stack.now + PATIENCE_MS);
    this.#transaction = this.#stack.layer.request(this.request, this.flow, this, this.#call);
  }

  /** What the CANCEL said. */
  get cancelHeaders(): readonly HeaderLine[] {
    return this.#cancelHeaders;
  }

  get cancelled(): boolean {
    return this.#cancel !== 'no';
  }

  /** §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the client MUST wait". */
  cancel(headers: readonly HeaderLine[] = []): void {
    if (this.#cancel !== 'no' || this.#acceptedTag !== undefined) return;
    this.#cancel = 'wanted';
    this.#cancelHeaders = headers;
    if (this.#provisional) this.#sendCancel();
  }

  /** The ACK of a 2xx, as the dialog with `toTag` wrote it; sent, and kept for when the 2xx comes again. */
  acknowledge(ack: Omit<OutgoingRequest, 'via'>, flow: Flow, toTag: string): void {
    const bytes = writeRequest({ ...ack, via: newVia(this.#stack, flow) });
    this.#acks.set(toTag, { bytes, flow });
    this.#stack.send(flow, bytes, this.#call);
  }

  response(r: SipResponse): void {
    if (r.status < 200) {
      this.#provisional = true;
      if (this.#cancel === 'wanted') this.#sendCancel();
      else if (this.#cancel === 'no') this.#user.progress(r);
    } else if (r.status < 300) this.#success(r);
    else {
      const again = this.cancelled
        ? undefined
        : this.#challenged.again(this.request, r, this.flow, () => this.#user.nextSeq());
      if (again === undefined) return this.#refused(r.status, r);
      this.request = again;
      this.start();
    }
  }

  failed(why: 'timeout' | 'transport'): void {
    this.#refused(why === 'timeout' ? 408 : 503, undefined);
  }

  /** Nobody decided in all that time. */
  timer(): void {
    this.#limit = undefined;
    this.cancel();
  }

  #refused(status: number, r: SipResponse | undefined): void {
    this.#stack.timers.stop(this.#limit);
    this.#user.refused(status, r);
  }

  #success(r: SipResponse): void {
    this.#stack.timers.stop(this.#limit);
    const tag = tagOf(r.to) ?? '';
    const known = this.#acks.get(tag);
    if (known !== undefined) this.#stack.send(known.flow, known.bytes, this.#call);
    else if (this.#acceptedTag === undefined) {
      this.#acceptedTag = tag;
      this.#user.accepted(r, this);
    } else if (tag !== this.#acceptedTag && this.#acks.size < MAX_FORKS) this.#user.forked(r, this);
  }

  /** §9.1: Request-URI, Call-ID, To, From, CSeq number, Route and the one Via are those of the request it cancels. */
  #sendCancel(): void {
    this.#cancel = 'sent';
    // A large INVITE may have gone another way than it was meant to.
    const { request, flow } = this.#transaction ?? this;
    const { uri, via, from, to, callId, cseq, routes } = request;
    const headers = this.#cancelHeaders;
    const cancel = { method: 'CANCEL', uri, via, from, to, callId, cseq, routes, headers };
    this.#stack.layer.request(cancel, flow, { response() {}, failed() {} }, this.#call);
    this.#transaction?.input('cancelled');
  }
}
