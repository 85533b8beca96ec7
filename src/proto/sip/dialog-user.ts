import type { Dialog } from './dialog.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { InviteClient } from './invite-client.ts';
import { lists, type SipMessage, type SipResponse } from './message.ts';
import { RequestClient } from './request-client.ts';
import { LEAST_SESSION_S, SessionTimer, type SessionTimerUser } from './session-timer.ts';
import { SEQ_SLACK } from './snapshot.ts';
import { contact, type Stack } from './stack.ts';
import { type Body, type HeaderLine, sdpBody } from './write.ts';
import { isSamePath, type Party, type Talk } from './writers.ts';

/** A call as the user of a dialog: requests within it, its path, its session timer, its snapshot. RFC 3261 §12.2. */
export abstract class DialogUser implements SessionTimerUser, Talk {
  readonly id: string;
  dialog: Dialog | undefined;
  credentials: Credentials | undefined;
  /** The session description of ours that holds: a refresh by re-INVITE repeats it (RFC 4028 §7.4). */
  localSdp: string | undefined;
  /** The peer's Allow lists UPDATE. */
  peerUpdates = false;
  readonly timer: SessionTimer;
  protected readonly stack: Stack;
  /** What the last snapshot said, where it may change. */
  #noted: { readonly target: string; readonly flow: string | undefined; readonly seq: number } | undefined;

  constructor(stack: Stack, id: string) {
    this.stack = stack;
    this.id = id;
    this.timer = new SessionTimer(stack.timers, sessionLimits(stack.config), this);
  }

  abstract readonly localTag: string;
  abstract readonly party: Party;
  /** The user part of our Contact. */
  abstract readonly contactUser: string | undefined;
  /** It began with a sips URI: our Contact is one too (RFC 3261 §12.1.1), where the path is secure. */
  protected sips = false;
  abstract refresh(): void;
  abstract expired(intervalS: number): void;

  /** The dialog with that tag of the peer: a call of ours may have several while it rings. */
  dialogWith(remoteTag: string): Dialog | undefined {
    return this.dialog?.remoteTag === remoteTag ? this.dialog : undefined;
  }

  /** Sends a request within the dialog; returns its CSeq. */
  ask(
    method: string,
    more: { headers: readonly HeaderLine[]; body?: Body | undefined },
    done: (status: number, r?: SipResponse) => void,
    dialog = this.dialog as Dialog,
  ): number {
    const request = { ...dialog.request(method), ...more };
    new RequestClient(this.stack, request, {
      flow: this.flow(dialog),
      call: this.id,
      credentials: this.credentials,
      nextSeq: () => ++dialog.localSeq,
      again: () => this.flow(dialog),
      done,
    });
    this.note();
    return request.cseq;
  }

  flow(dialog = this.dialog as Dialog): Flow {
    return dialog.flow(f => this.stack.lives(f));
  }

  comesBy(flow: Flow): boolean {
    return this.dialog !== undefined && isSamePath(this.flow(), flow);
  }

  /** The ACK of the 2xx to `invite`: §13.2.2.4, its CSeq number is the INVITE's. */
  acknowledge(invite: InviteClient, sdp?: string, dialog = this.dialog as Dialog): void {
    const ack = { ...dialog.request('ACK', invite.request.cseq), body: sdpBody(sdp) };
    invite.acknowledge(ack, this.flow(dialog), dialog.remoteTag);
  }

  /** Contact, Allow and Supported: what INVITE, UPDATE and their 2xx carry (§13.2.1, §13.3.1.4). */
  protected introduces(flow = this.flow()): HeaderLine[] {
    return [contact(this.stack, flow, this.contactUser, this.sips), ...this.stack.told];
  }

  /** What INVITE, UPDATE and their answers tell of the peer. */
  learn(m: SipMessage): void {
    if (m.headers.get('allow') !== undefined) this.peerUpdates = lists(m.headers, 'allow', 'update');
  }

  /** Tells the dialog's snapshot when another would be taken from it than the last. */
  note(): void {
    const { dialog } = this;
    if (this.stack.config.snapshots !== true || dialog === undefined) return;
    const [target, flow, seq] = [dialog.target.raw, dialog.peerFlow?.id, dialog.localSeq];
    const last = this.#noted;
    if (last?.target === target && last.flow === flow && seq - last.seq < SEQ_SLACK / 2) return;
    this.#noted = { target, flow, seq };
    this.stack.emit({ type: 'snapshot', call: this.id, snapshot: dialog.snapshot(this.contactUser) });
  }

  /** It is over: there is nothing left to bury. */
  protected unnote(): void {
    if (this.#noted === undefined) return;
    this.#noted = undefined;
    this.stack.emit({ type: 'snapshot', call: this.id, snapshot: undefined });
  }
}

/** RFC 4028 §4: 1800 s is what it recommends. */
export const sessionLimits = (c: { sessionExpiresS?: number; minSeS?: number }) => ({
  expiresS: c.sessionExpiresS ?? 1800,
  minS: Math.max(c.minSeS ?? LEAST_SESSION_S, LEAST_SESSION_S),
});
