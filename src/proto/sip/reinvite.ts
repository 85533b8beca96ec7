import type { Dialog } from './dialog.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import { InviteClient } from './invite-client.ts';
import { type SipResponse, sdpOf } from './message.ts';
import { contact, offers, randomBelow, type Stack } from './stack.ts';
import type { Timer, TimerOwner } from './timers.ts';
import { type Body, sdpBody } from './write.ts';

/** How often a re-INVITE is tried again after 491. */
const MAX_GLARES = 5;

/** What our re-INVITEs need of the call they belong to. */
export interface ReinviteUser {
  readonly id: string;
  readonly contactUser: string | undefined;
  /** Who made the Call-ID draws the longer back-off. */
  readonly ownsCallId: boolean;
  readonly credentials: Credentials | undefined;
  /** False once the call is ending: a late 2xx is acknowledged and not told. */
  readonly isUp: boolean;
  readonly dialog: Dialog | undefined;
  flow(): Flow;
  acknowledge(invite: InviteClient): void;
  /** The 2xx carried the peer's offer: the ACK waits for our answer. */
  owe(invite: InviteClient): void;
  /** The peer no longer knows the dialog (481) or no longer answers (408). */
  lost(status: number): void;
}

/** Our re-INVITEs of one dialog, with the back-off of glare: RFC 3261 §14.1. */
export class Reinvites implements TimerOwner {
  readonly #stack: Stack;
  readonly #user: ReinviteUser;
  #client: InviteClient | undefined;
  #body: Body | undefined;
  #glare: Timer | undefined;
  #glares = 0;

  constructor(stack: Stack, user: ReinviteUser) {
    this.#stack = stack;
    this.#user = user;
  }

  /** One is on the wire without a final response. */
  get underWay(): boolean {
    return this.#client !== undefined;
  }
  get busy(): boolean {
    return this.#client !== undefined || this.#glare !== undefined;
  }

  /** `sdp` null: asks the peer to offer. */
  start(sdp: string | null): void {
    this.#body = sdpBody(sdp);
    this.#glares = 0;
    this.#send();
  }

  timer(): void {
    this.#glare = undefined;
    if (this.#user.isUp) this.#send();
  }

  /** The peer's re-INVITE came through while ours backed off: ours may be out of date once theirs is answered. */
  giveWay(): void {
    if (this.#glare === undefined) return;
    this.stop();
    this.#stack.emit({ type: 'rerefused', call: this.#user.id, status: 491 });
  }

  stop(): void {
    this.#stack.timers.stop(this.#glare);
    this.#glare = undefined;
    this.#client?.cancel();
  }

  #send(): void {
    const dialog = this.#user.dialog as Dialog;
    const { id, contactUser, credentials } = this.#user;
    const flow = this.#user.flow();
    const name = ['User-Agent', this.#stack.config.name] as const;
    const headers = [contact(this.#stack, flow, contactUser), ...offers(this.#stack), name];
    const request = { ...dialog.request('INVITE'), headers, body: this.#body };
    this.#client = new InviteClient(this.#stack, id, request, {
      flow,
      credentials,
      user: {
        progress() {},
        forked() {},
        accepted: (r, by) => this.#accepted(r, by),
        refused: status => this.#refused(status),
        nextSeq: () => ++dialog.localSeq,
      },
    });
    this.#client.start();
  }

  #accepted(r: SipResponse, by: InviteClient): void {
    this.#client = undefined;
    this.#user.dialog?.refresh(r);
    const sdp = sdpOf(r);
    const owed = this.#body === undefined && sdp !== undefined && this.#user.isUp;
    if (owed) this.#user.owe(by);
    else this.#user.acknowledge(by);
    if (this.#user.isUp) this.#stack.emit({ type: 'reanswered', call: this.#user.id, sdp, owed });
  }

  #refused(status: number): void {
    this.#client = undefined;
    if (!this.#user.isUp) return;
    // §14.1: "If a UAC receives a 491 …, it SHOULD start a timer": 2.1–4 s for the owner of the Call-ID, 0–2 s for the
    // other, in units of 10 ms.
    if (status === 491 && this.#glares++ < MAX_GLARES) {
      const waitMs = this.#user.ownsCallId
        ? 2100 + randomBelow(this.#stack, 190) * 10
        : randomBelow(this.#stack, 200) * 10;
      this.#glare = this.#stack.timers.start(this, 'glare', this.#stack.now + waitMs);
      return;
    }
    // §12.2.1.2: "If the response for a request within a dialog is a 481 or a 408, the UAC SHOULD terminate the dialog."
    if (status === 481 || status === 408) return this.#user.lost(status);
    this.#stack.emit({ type: 'rerefused', call: this.#user.id, status });
  }
}
