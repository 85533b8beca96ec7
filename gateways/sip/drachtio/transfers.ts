import { parseNameAddr } from '../../../src/proto/sip/address.ts';
import { headerText, type SipMessage } from '../../../src/proto/sip/message.ts';
import { referTarget, referTo } from '../../../src/proto/sip/replaces.ts';
import type { SipCall } from '../../../src/proto/sip/signalling.ts';
import type { HeaderLine } from '../../../src/proto/sip/write.ts';
import type { LineUser } from './line.ts';
import { type Answering, headersOf } from './wire.ts';

/** REFER and its NOTIFYs within one call, both ways: RFC 3515. */
export class CallTransfers {
  readonly #user: LineUser;
  /** What the peer asked for, by our number. */
  readonly #asked = new Map<number, Answering>();
  #next = 1;
  /** What we asked for last. */
  #ours: string | undefined;

  constructor(user: LineUser) {
    this.#user = user;
  }

  ask(id: string, to: string, o: Parameters<SipCall['refer']>[2] = {}): void {
    const { line } = this.#user;
    if (!this.#user.isUp()) return;
    this.#ours = id;
    const lines: HeaderLine[] = [
      ['Refer-To', referTo(to, o.replaces)],
      ...line.contact,
      ...(o.headers ?? []),
    ];
    line.ask('REFER', lines, undefined, ({ status }) => {
      if (status >= 300) this.#user.tell({ type: 'referred', id, status, done: true });
    });
  }

  /** How what we asked for goes. */
  notified(m: SipMessage, response: Answering): void {
    this.#user.line.answer(response, 200, {});
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(m.body.toString('latin1'))?.[1]);
    if (this.#ours === undefined || !Number.isInteger(status)) return;
    const done = status >= 200 || /^terminated/i.test(m.headers.get('subscription-state') ?? '');
    this.#user.tell({ type: 'referred', id: this.#ours, status, done });
  }

  receive(m: SipMessage, response: Answering): void {
    const address = parseNameAddr(m.headers.get('refer-to') ?? '');
    const target = address && referTarget(address.uri);
    if (target === undefined) return this.#user.line.answer(response, 400, {});
    const id = this.#next++;
    this.#asked.set(id, response);
    this.#user.tell({ type: 'refer', id, ...target, referredBy: headerText(m, 'referred-by') });
  }

  accept(id: number): void {
    const { line } = this.#user;
    line.answer(this.#asked.get(id), 202, { headers: headersOf(line.contact) });
  }

  refuse(id: number, status: number, o: Parameters<SipCall['refuseRefer']>[2] = {}): void {
    const reason = o.reason && { reason: o.reason };
    this.#user.line.answer(this.#asked.get(id), status, { ...reason, headers: headersOf(o.headers) });
    this.#asked.delete(id);
  }

  notify(id: number, status: number, reason = ''): void {
    const { line } = this.#user;
    if (!this.#asked.has(id) || !this.#user.isUp()) return;
    const over = status >= 200;
    if (over) this.#asked.delete(id);
    const lines: HeaderLine[] = [
      ['Event', 'refer'],
      ['Subscription-State', over ? 'terminated;reason=noresource' : 'active;expires=60'],
      ['Content-Type', 'message/sipfrag;version=2.0'],
      ...line.contact,
    ];
    line.ask('NOTIFY', lines, `SIP/2.0 ${status} ${reason}\r\n`, () => {});
  }
}
