import { tagOf } from './address.ts';
import type { Dialog } from './dialog.ts';
import type { Flow } from './flow.ts';
import { type RequestRefusal, warning } from './inspect.ts';
import type { SipRequest } from './message.ts';
import { OutgoingCall } from './outgoing.ts';
import { parseReplaces, type Replaces } from './replaces.ts';
import type { Session } from './session.ts';
import { type Candidate, Writers } from './writers.ts';

/** Dialogs that ended lately, for INVITEs that come too late to take their place. */
const REMEMBERED = 256;

const ENDED: RequestRefusal = { status: 603, headers: warning('The call to be replaced has ended.') };
const NO_SUCH: RequestRefusal = { status: 481, headers: warning('There is no such call to be replaced.') };

/** The calls of an endpoint, and the ways to find one: by id, by dialog, as one to be replaced, by who wrote a text. */
export class CallTable {
  /** Our tag → call, while it lives. */
  readonly #byTag = new Map<string, Session>();
  readonly #byId = new Map<string, Session>();
  readonly #writers = new Writers();
  readonly #ended: Dialog[] = [];
  #nextEnded = 0;

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  keep(call: Session): void {
    this.#byId.set(call.id, call);
    this.#byTag.set(call.localTag, call);
    this.#writers.add(call);
  }

  forget(call: Session): void {
    this.#byId.delete(call.id);
    this.#writers.delete(call);
    if (call.dialog !== undefined) this.#ended[this.#nextEnded++ % REMEMBERED] = call.dialog;
    if (this.#byTag.get(call.localTag) === call) this.#byTag.delete(call.localTag); // not of an attempt that went on elsewhere
  }

  /** §12.2.2: the dialog is found by Call-ID, our tag (To) and the peer's (From). */
  dialogOf(m: SipRequest): { readonly call: Session; readonly dialog: Dialog } | undefined {
    const call = this.#byTag.get(tagOf(m.to) ?? '');
    const dialog = call?.dialogWith(tagOf(m.from) ?? '');
    return call !== undefined && dialog?.callId === m.callId ? { call, dialog } : undefined;
  }

  /** The calls that a text outside of any may be of. */
  candidates(text: SipRequest, flow: Flow): Candidate[] {
    return this.#writers.candidates(text, flow);
  }

  /** RFC 3891 §3: the call that an INVITE is to take the place of; undefined: of none. */
  replacedBy(m: SipRequest): Session | RequestRefusal | undefined {
    const count = m.headers.count('replaces');
    if (count === 0) return undefined;
    const replaces = count === 1 ? parseReplaces(m.headers.get('replaces') as string) : undefined;
    return replaces === undefined ? { status: 400, reason: 'Bad Replaces' } : this.#replaced(replaces);
  }

  #replaced(r: Replaces): Session | RequestRefusal {
    const call = this.#byTag.get(r.toTag);
    const dialog = call?.dialogWith(r.fromTag);
    if (call === undefined || dialog?.callId !== r.callId) {
      const over = this.#ended.some(
        d => d.callId === r.callId && d.localTag === r.toTag && d.remoteTag === r.fromTag,
      );
      // "If the Replaces header field matches a dialog which has already terminated, the UA SHOULD decline the request with a 603";
      // "if no match is found, the UAS rejects the INVITE and returns a 481".
      return over ? ENDED : NO_SUCH;
    }
    if (!call.lives) return ENDED;
    // "If the Replaces header field matches an early dialog that was not initiated by this UA, it returns a 481";
    if (call.state === 'early') return call instanceof OutgoingCall ? call : NO_SUCH;
    // "If the Replaces header field matches a confirmed dialog, it checks for the presence of the "early-only" flag … returns a 486".
    if (r.earlyOnly) return { status: 486, headers: warning('The call to be replaced is answered already.') };
    return call;
  }
}
