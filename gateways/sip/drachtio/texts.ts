import { type Capabilities, inspect } from '../../../src/proto/sip/inspect.ts';
import type { SipMessage } from '../../../src/proto/sip/message.ts';
import { TEXT_TYPE } from '../../../src/proto/sip/messages.ts';
import type { SipCall } from '../../../src/proto/sip/signalling.ts';
import { plainText } from '../../../src/proto/sip/text-body.ts';
import type { LineUser } from './line.ts';
import { type Answering, headersOf } from './wire.ts';

/** Texts of the peer that wait for our answer at once. */
const MAX_WAITING = 16;

/** Texts of one call, both ways: RFC 3428. */
export class CallTexts {
  readonly #user: LineUser;
  readonly #can: Capabilities;
  readonly #waiting = new Map<number, Answering>();
  #next = 1;

  constructor(user: LineUser, can: Capabilities) {
    this.#user = user;
    this.#can = can;
  }

  send(content: string): void {
    if (!this.#user.isUp()) return;
    const answered = (status: number): void => {
      if (status >= 200) this.#user.tell({ type: 'messaged', status });
    };
    this.#user.line.ask(
      'MESSAGE',
      [['Content-Type', TEXT_TYPE]],
      content,
      ({ status }) => answered(status),
      () => answered(503),
    );
  }

  answer(id: number, status: number, o: Parameters<SipCall['answerMessage']>[2] = {}): void {
    const reason = o.reason && { reason: o.reason };
    this.#user.line.answer(this.#waiting.get(id), status, { ...reason, headers: headersOf(o.headers) });
    this.#waiting.delete(id);
  }

  receive(m: SipMessage, response: Answering): void {
    const { line } = this.#user;
    const refusal = m.kind === 'request' ? inspect(m, this.#can) : undefined;
    if (refusal !== undefined)
      return line.answer(response, refusal.status, { headers: headersOf(refusal.headers) });
    const text = plainText(m) ?? '';
    if (text === '') return line.answer(response, 200, {});
    if (!this.#user.isUp()) return line.answer(response, 403, { reason: 'No texts before the answer' });
    if (this.#waiting.size >= MAX_WAITING)
      return line.answer(response, 500, {
        reason: 'Too Many Texts At Once',
        headers: { 'Retry-After': '5' },
      });
    const id = this.#next++;
    this.#waiting.set(id, response);
    this.#user.tell({ type: 'message', id, text });
  }
}
