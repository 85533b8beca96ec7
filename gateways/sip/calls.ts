import { randomUUID } from 'node:crypto';
import type { Host, LegRequest, PlacedLeg, Termination } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import type { DigestServer } from '../../src/proto/sip/digest.ts';
import type { CallMessage, Invite, OnCall, SipCall } from '../../src/proto/sip/signalling.ts';
import { type CallIn, type CallOut, FrontCall } from './call.ts';
import { admit } from './front-access.ts';
import { ladderStep } from './front-ladder.ts';
import { sipNative } from './native.ts';
import { reasonHeader, refusalOf } from './status.ts';

/** One call with everything it holds. */
interface Entry {
  readonly leg: string;
  readonly run: Drive<CallIn>;
}

const IGNORE: OnCall = () => {};

/** The inbound calls of a front: wires each to its `FrontCall`, its leg and its ladder. */
export class Calls {
  readonly #host: Host;
  readonly #digest: DigestServer;
  readonly #byCall = new Map<string, Entry>();
  #idle: (() => void) | undefined;

  constructor(host: Host, digest: DigestServer) {
    this.#host = host;
    this.#digest = digest;
  }

  get size(): number {
    return this.#byCall.size;
  }

  /** A new INVITE: refused here and now, or handed to the platform. */
  incoming(invite: Invite, call: SipCall): OnCall {
    const access = admit(invite, this.#host, this.#digest);
    if (access.ok) return this.#begin(invite, call, access);
    // A challenge is no refusal yet: phones that have the password come back with it.
    if (access.status !== 401) {
      this.#host.count('calls_refused', access.why.reason);
      const { status, why } = access;
      this.#host.log.info(
        { trace: invite.request.callId, from: invite.flow.host, status, ...why },
        'refused',
      );
    }
    call.reject(access.status, { headers: access.headers });
    return IGNORE;
  }

  /** Every message of a call goes to the ladder of its leg. */
  message(call: string, m: CallMessage): void {
    const entry = this.#byCall.get(call);
    if (entry !== undefined) this.#host.ladder(entry.leg, ladderStep(m, Date.now()));
  }

  /** A bug in our own code ends its call only. */
  bug(call: string, error: unknown): void {
    this.#host.log.error(
      { err: error, leg: this.#byCall.get(call)?.leg },
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

  #begin(invite: Invite, call: SipCall, { room, who }: Pick<LegRequest, 'room' | 'who'>): OnCall {
    const { request, sdp } = invite;
    const leg = `sip-${randomUUID()}`;
    const trace = request.callId;
    const abort = new AbortController();
    let placed: PlacedLeg | undefined;
    const core = new FrontCall(sdp === undefined);
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
          return call.reject(status, { reason, headers });
        }
        case 'info':
          return call.info(out.contentType, out.content);
        case 'hangup':
          return call.hangup([reasonHeader(out.why)]);
        case 'abort':
          return abort.abort();
        case 'leg':
          return placed?.send(out.command);
      }
    };
    const run = drive(core, this.#host.clock, act);
    this.#byCall.set(call.id, { leg, run });
    run.feed({ type: 'begin' });
    const ask: LegRequest = {
      v: 1,
      leg,
      trace,
      gateway: 'sip',
      direction: 'in',
      who,
      room,
      roles: ['send', 'receive'],
      begin: sdp === undefined ? { type: 'make-offer' } : { type: 'offer', native: sipNative(sdp) },
    };
    this.#host
      .place(ask, event => run.feed({ type: 'leg', event }), abort.signal)
      .then(
        leg => {
          placed = leg;
          run.feed({ type: 'placed' });
        },
        error => run.feed({ type: 'unplaced', why: terminationOf(error) }),
      );
    return event => {
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
