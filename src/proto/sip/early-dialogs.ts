import { tagOf } from './address.ts';
import { Dialog } from './dialog.ts';
import type { Flow } from './flow.ts';
import { lists, type SipResponse } from './message.ts';
import type { OutgoingRequest } from './write.ts';

/** Branches of one call that may ring at the same time. */
const MAX_FORKS = 16;

/** One branch of a call of ours that rings: RFC 3261 §12.1, §13.2.2.1. */
export interface EarlyDialog {
  readonly dialog: Dialog;
  /** Of the last reliable provisional response taken, 0 before the first. */
  rseq: number;
  /** The first offer and its answer have met, reliably: this branch may send and take UPDATE (RFC 3311 §5.1). */
  settled: boolean;
  /** The last description that came. */
  sdp: string | undefined;
  /** A reliable response with the peer's offer waits for a PRACK with our answer, and this RAck. */
  owedRack: string | undefined;
}

/** What a provisional response is: `new` to be told, or one that came before or too early. */
export type Arrival =
  | { readonly kind: 'plain'; readonly early: EarlyDialog | undefined }
  /** To be acknowledged by PRACK with this RAck. */
  | { readonly kind: 'reliable'; readonly early: EarlyDialog; readonly rack: string }
  | { readonly kind: 'again' };

/** The branches of one call of ours, by the tag each called side gave itself. */
export class EarlyDialogs {
  readonly #byTag = new Map<string, EarlyDialog>();

  get(tag: string): EarlyDialog | undefined {
    return this.#byTag.get(tag);
  }

  find(wanted: (e: EarlyDialog) => boolean): EarlyDialog | undefined {
    for (const early of this.#byTag.values()) if (wanted(early)) return early;
    return undefined;
  }

  /** RFC 3262 §4: finds or makes the response's dialog, and tells whether it is in order. */
  take(r: SipResponse, invite: OutgoingRequest, flow: Flow): Arrival {
    const tag = tagOf(r.to);
    if (tag === undefined) return { kind: 'plain', early: undefined };
    let early = this.#byTag.get(tag);
    if (early === undefined) {
      if (this.#byTag.size === MAX_FORKS) return { kind: 'again' };
      early = {
        dialog: Dialog.ofResponse(invite, r, flow),
        rseq: 0,
        settled: false,
        sdp: undefined,
        owedRack: undefined,
      };
      this.#byTag.set(tag, early);
    } else early.dialog.refresh(r);
    const rseq = lists(r.headers, 'require', '100rel') ? Number(r.headers.get('rseq')) : Number.NaN;
    if (!Number.isInteger(rseq) || rseq < 1) return { kind: 'plain', early };
    // "If the UAC receives another reliable provisional response to the same request, and its RSeq value is not one higher than
    // the value of the sequence number, that response MUST NOT be acknowledged with a PRACK, and MUST NOT be processed further".
    if (early.rseq !== 0 && rseq !== early.rseq + 1) return { kind: 'again' };
    early.rseq = rseq;
    return { kind: 'reliable', early, rack: `${rseq} ${invite.cseq} INVITE` };
  }
}
