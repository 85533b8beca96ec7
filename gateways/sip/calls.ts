import type { Host, Json, Termination, Who } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import type { DigestServer } from '../../src/proto/sip/digest.ts';
import { isSecure } from '../../src/proto/sip/flow.ts';
import type { SipRequest } from '../../src/proto/sip/message.ts';
import type { CallMessage, Invite, OnCall, SipCall } from '../../src/proto/sip/signalling.ts';
import type { DialogSnapshot } from '../../src/proto/sip/snapshot.ts';
import { FrontCall } from './call.ts';
import { CallLeg } from './call-leg.ts';
import type { CallIn, CallOut } from './call-steps.ts';
import type { SipConfig } from './config.ts';
import { type Access, admit, callerOf, refused, TOO_MANY_TRIES } from './front-access.ts';
import { ladderStep } from './front-ladder.ts';
import { carryText } from './front-texts.ts';
import { assertedOf, type Proof } from './front-writers.ts';
import type { Guard } from './guard.ts';
import { srtpFor } from './native.ts';
import { reasonHeader, refusalOf } from './status.ts';
import { type CallInto, transfer } from './transfer.ts';
import type { Inbound } from './trunks/inbound.ts';

/** One call with everything it holds. */
interface Entry {
  readonly leg: CallLeg;
  readonly room: string;
  readonly proof: Proof;
  readonly run: Drive<CallIn>;
}

/** Other calls of the front, as far as a call into a room has to do with them. */
export interface Neighbours {
  /** Whom a phone asks for by REFER is called by this; undefined: nobody is. */
  readonly callInto?: CallInto | undefined;
  /** The room of a call that is none of `Calls`. */
  roomOf?(call: string): string | undefined;
}

const IGNORE: OnCall = () => {};

/** The inbound calls of a front: wires each to its `FrontCall`, its leg and its ladder. */
export class Calls {
  readonly #host: Host;
  readonly #config: Pick<SipConfig, 'srtp'>;
  readonly #digest: DigestServer;
  readonly #guard: Guard;
  readonly #trunks: Pick<Inbound, 'admit'> | undefined;
  readonly #neighbours: Neighbours;
  readonly #byCall = new Map<string, Entry>();
  #idle: (() => void) | undefined;

  constructor(
    host: Host,
    config: Pick<SipConfig, 'srtp'>,
    digest: DigestServer,
    guard: Guard,
    trunks?: Pick<Inbound, 'admit'>,
    neighbours: Neighbours = {},
  ) {
    this.#host = host;
    this.#config = config;
    this.#digest = digest;
    this.#guard = guard;
    this.#trunks = trunks;
    this.#neighbours = neighbours;
  }

  get size(): number {
    return this.#byCall.size;
  }

  /** A new INVITE: refused here and now, or handed to the platform. */
  incoming(invite: Invite, call: SipCall): OnCall {
    const caller = callerOf(invite);
    const now = this.#host.clock.now();
    const access = this.#guard.mayTry(invite.flow.host, caller, now)
      ? (this.#trunks?.admit(invite, now) ?? admit(invite, this.#host, this.#digest))
      : refused(TOO_MANY_TRIES);
    if (access.ok) return this.#begin(invite, call, { ...access, room: this.#roomFor(invite, access.room) });
    // A challenge is no refusal yet: phones that have the password come back with it.
    if (access.status !== 401) {
      this.#host.count('calls_refused', access.why.reason);
      this.#guard.refused(access.why.reason, invite.flow, caller, now);
      const { status, why } = access;
      this.#host.log.info(
        { trace: invite.request.callId, from: invite.flow.host, status, ...why },
        'refused',
      );
    }
    call.reject(access.status, { headers: access.headers });
    return IGNORE;
  }

  /** A call that takes the place of another (RFC 3891) goes into that one's room, which the platform opens to it or not. */
  #roomFor({ replaces }: Invite, dialled: string): string {
    if (replaces === undefined) return dialled;
    return this.#byCall.get(replaces)?.room ?? this.#neighbours.roomOf?.(replaces) ?? dialled;
  }

  /** What the caller has shown of who it is; undefined: it is none of ours. */
  proofOf(call: string): Proof | undefined {
    return this.#byCall.get(call)?.proof;
  }

  /** How a successor ends this call, should this process vanish; false: it is none of ours. */
  snapshot(call: string, snapshot: DialogSnapshot | undefined): boolean {
    const entry = this.#byCall.get(call);
    if (snapshot !== undefined) entry?.leg.will({ ...snapshot } as Json);
    return entry !== undefined;
  }

  /** Every message of a call goes to the ladder of its leg. */
  message(call: string, m: CallMessage): void {
    const entry = this.#byCall.get(call);
    if (entry !== undefined) this.#host.ladder(entry.leg.id, ladderStep(m, Date.now()));
  }

  /** A bug in our own code ends its call only. */
  bug(call: string, error: unknown): void {
    this.#host.log.error(
      { err: error, leg: this.#byCall.get(call)?.leg.id },
      'a call failed by a fault of ours',
    );
    this.#byCall.get(call)?.run.feed({ type: 'close', why: terminationOf(error) });
  }

  /** Ends all calls; resolves when every phone has answered its BYE, which may be never. */
  closeAll(why: Termination): Promise<void> {
    for (const { run } of [...this.#byCall.values()]) run.feed({ type: 'close', why });
    if (this.#byCall.size === 0) return Promise.resolve();
    return new Promise(done => (this.#idle = done));
  }

  #begin(invite: Invite, call: SipCall, access: Extract<Access, { ok: true }>): OnCall {
    const { room, who } = access;
    const { request, sdp, flow } = invite;
    const srtp = srtpFor(access.srtp ?? this.#config.srtp, isSecure(flow));
    const trace = request.callId;
    const core = new FrontCall(sdp === undefined, undefined, request);
    const act = (out: CallOut): void => {
      switch (out.type) {
        case 'ring':
          return call.progress(180);
        case 'answer':
          return call.answer(out.sdp);
        case 'reinvite':
          return call.reinvite(out.sdp);
        case 'reject': {
          const { status, reason, headers } = refusalOf(out.why);
          this.#host.count('calls_refused', out.why.reason); // the platform has the log line
          this.#guard.refused(out.why.reason, flow, callerOf(invite), this.#host.clock.now());
          return call.reject(status, { reason, headers });
        }
        case 'info':
          return call.info(out.contentType, out.content);
        case 'message':
        case 'answer-message':
        case 'text-lost':
          return carryText(out, call, this.#host, leg.id);
        case 'hangup':
          return call.hangup([reasonHeader(out.why)]);
        case 'abort':
          return leg.abort();
        case 'place-again':
          this.#host.count('calls_moved', out.why);
          return leg.again(out.before, out.held);
        case 'leg':
          return leg.send(out.command);
      }
    };
    const run = drive(core, this.#host.clock, act);
    const leg: CallLeg = new CallLeg(
      this.#host,
      input => run.feed(input),
      () => core.state === 'ended',
    );
    this.#byCall.set(call.id, { leg, room, proof: proofOf(who, request), run });
    run.feed({ type: 'begin' });
    leg.place({ trace, direction: 'in', who, room, prompts: true, sdp, srtp });
    const transfers = { room, self: request.uri, callInto: this.#neighbours.callInto };
    return event => {
      if (event.type === 'refer') return transfer(event, call, transfers);
      run.feed({ type: 'sip', event });
      if (event.type === 'ended' || event.type === 'cancelled') this.#forget(call.id);
    };
  }

  #forget(call: string): void {
    this.#byCall.get(call)?.run.stop();
    this.#byCall.delete(call);
    if (this.#byCall.size === 0) this.#idle?.();
  }
}

function proofOf(who: Who, invite: SipRequest): Proof {
  if (who.proof === 'digest' && who.credential !== undefined)
    return { by: 'digest', username: who.credential };
  return who.proof === 'trunk' ? { by: 'trunk', asserted: assertedOf(invite) } : { by: 'path' };
}
