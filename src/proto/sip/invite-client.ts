import { tagOf } from './address.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { SipResponse } from './message.ts';
import { Challenged } from './request-client.ts';
import { newVia, type Stack } from './stack.ts';
import type { ClientTransaction, ClientUser } from './transaction.ts';
import { type HeaderLine, type OutgoingRequest, writeRequest } from './write.ts';

/** What its call wants to know. */
export interface InviteClientUser {
  progress(r: SipResponse): void;
  /** The first 2xx. */
  accepted(r: SipResponse): void;
  /** A 2xx of another fork: RFC 3261 §13.2.2.4, acknowledge it and hang it up. */
  forked(r: SipResponse): void;
  /** Final, with nothing more to come. `r` undefined: timed out (408) or unsendable (503). */
  refused(status: number, r: SipResponse | undefined): void;
  nextSeq(): number;
}

/** Our INVITE or re-INVITE until its ACK: RFC 3261 §13.2, CANCEL §9.1. */
export class InviteClient implements ClientUser {
  request: OutgoingRequest;
  readonly flow: Flow;
  /** Undefined until the 2xx; then the ACK is sent again for every 2xx that comes again. */
  #ack: { bytes: Buffer; flow: Flow } | undefined;
  #acceptedTag: string | undefined;
  #accepted = false;
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
    this.#transaction = this.#stack.layer.request(this.request, this.flow, this, this.#call);
  }

  get cancelled(): boolean {
    return this.#cancel !== 'no';
  }

  /** §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the client MUST wait". */
  cancel(headers: readonly HeaderLine[] = []): void {
    if (this.#cancel !== 'no' || this.#accepted) return;
    this.#cancel = 'wanted';
    this.#cancelHeaders = headers;
    if (this.#provisional) this.#sendCancel();
  }

  /** The ACK of a 2xx, as its dialog wrote it; sent, and kept for when the 2xx comes again. */
  acknowledge(ack: Omit<OutgoingRequest, 'via'>, flow: Flow): void {
    const bytes = writeRequest({ ...ack, via: newVia(this.#stack, flow) });
    this.#ack = { bytes, flow };
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
      if (again === undefined) return this.#user.refused(r.status, r);
      this.request = again;
      this.start();
    }
  }

  failed(why: 'timeout' | 'transport'): void {
    this.#user.refused(why === 'timeout' ? 408 : 503, undefined);
  }

  #success(r: SipResponse): void {
    const tag = tagOf(r.to);
    if (!this.#accepted) {
      this.#accepted = true;
      this.#acceptedTag = tag;
      this.#user.accepted(r);
    } else if (tag !== this.#acceptedTag) this.#user.forked(r);
    else if (this.#ack !== undefined) this.#stack.send(this.#ack.flow, this.#ack.bytes, this.#call);
  }

  /** §9.1: Request-URI, Call-ID, To, From, CSeq number, Route and the one Via are those of the request it cancels. */
  #sendCancel(): void {
    this.#cancel = 'sent';
    const { uri, via, from, to, callId, cseq, routes } = this.request;
    const headers = this.#cancelHeaders;
    const cancel = { method: 'CANCEL', uri, via, from, to, callId, cseq, routes, headers };
    this.#stack.layer.request(cancel, this.flow, { response() {}, failed() {} }, this.#call);
    this.#transaction?.input('cancelled');
  }
}
