import type { CallEvent } from '../../../src/proto/sip/events.ts';
import { type Flow, flowTo, type Transport } from '../../../src/proto/sip/flow.ts';
import type { SipMessage } from '../../../src/proto/sip/message.ts';
import { parseMessage } from '../../../src/proto/sip/parse.ts';
import type { HeaderLine } from '../../../src/proto/sip/write.ts';
import {
  type Acknowledge,
  type Answering,
  headersOf,
  type ReceivedRequest,
  type Wire,
  type WireMessage,
  type WireResponse,
} from './wire.ts';

/** An event of a call, which puts its id to it. */
export type Told = CallEvent extends infer E ? (E extends CallEvent ? Omit<E, 'call'> : never) : never;

/** What texts and transfers need of their call. */
export interface LineUser {
  readonly line: CallLine;
  /** Answered, and not over. */
  isUp(): boolean;
  tell(event: Told): void;
}

/** What was sent, as a message of ours. */
export function readWire(m: WireMessage): SipMessage | undefined {
  const parsed = parseMessage(Buffer.from(m.raw, 'utf8'));
  return parsed.ok ? parsed.message : undefined;
}

export const flowOf = (r: ReceivedRequest): Flow =>
  flowTo(r.protocol as Transport, r.source_address, r.source_port);

export function contactLine(m: WireMessage): HeaderLine[] {
  const contact = readWire(m)?.headers.get('contact');
  return contact === undefined ? [] : [['Contact', contact]];
}

interface LineOutside {
  readonly wire: Wire;
  /** Every message of the call, for ladders. */
  message(call: string, dir: 'in' | 'out', flow: Flow, text: string): void;
}

/** What one call says on the wire: requests within its dialog, answers, and the ladder of both. */
export class CallLine {
  readonly #o: LineOutside;
  readonly #call: string;
  /** Where the peer's last request came from. */
  flow: Flow;
  /** drachtio-server's id of the dialog, once there is one. */
  dialog: string | undefined;
  /** Our Contact as drachtio-server wrote it: later offers carry it too. */
  contact: HeaderLine[] = [];

  constructor(o: LineOutside, call: string, flow: Flow) {
    this.#o = o;
    this.#call = call;
    this.flow = flow;
  }

  ask(
    method: string,
    lines: readonly HeaderLine[],
    body: string | undefined,
    on: (response: WireResponse, acknowledge: Acknowledge) => void,
    unsent = (): void => {}, // the dialog ended at that moment: its BYE says so
  ): void {
    const stackDialogId = this.dialog;
    if (stackDialogId === undefined) return;
    const uri = 'sip:of.the.dialog'; // drachtio-server puts the dialog's target in its place
    this.#o.wire.request(
      { method, uri, stackDialogId, headers: headersOf(lines), body },
      (_error, request) => {
        if (request === undefined) return unsent();
        this.said(request);
        request.on('response', (response, acknowledge) => {
          this.heard(response);
          on(response, acknowledge);
        });
      },
    );
  }

  answer(
    to: Answering | undefined,
    status: number,
    o: { reason?: string; headers?: Record<string, string>; body?: string | undefined },
    sent?: (message: WireMessage) => void,
  ): void {
    to?.send(status, o, (_error, message) => {
      if (message === undefined) return; // cancelled or gone at that moment
      this.said(message);
      sent?.(message);
    });
  }

  heard(m: WireMessage): void {
    this.#o.message(this.#call, 'in', this.flow, m.raw);
  }
  said(m: WireMessage): void {
    this.#o.message(this.#call, 'out', this.flow, m.raw);
  }
}
