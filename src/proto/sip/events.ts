/** What goes into and comes out of the endpoint. */
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { HeaderLine } from './write.ts';

/** From the wire. A `chunk` is a piece of a stream, `datagram` a whole message. */
type WireInput =
  | { readonly type: 'datagram' | 'chunk'; readonly flow: Flow; readonly bytes: Buffer }
  | { readonly type: 'flow-closed'; readonly flow: Flow };

/** About one call. A command that does not fit the call's state (the race was lost) does nothing. */
export type CallCommand =
  /** 101–199 to an INVITE from outside. */
  | {
      readonly type: 'progress';
      readonly call: string;
      readonly status: number;
      readonly sdp?: string | undefined;
    }
  /** 200 to the INVITE or re-INVITE that waits; an answer, or the offer if it had none. */
  | { readonly type: 'answer'; readonly call: string; readonly sdp: string }
  /** 300–699 to the INVITE or re-INVITE that waits; the first INVITE's call is then `ended`. */
  | {
      readonly type: 'reject';
      readonly call: string;
      readonly status: number;
      readonly reason?: string | undefined;
      readonly headers?: readonly HeaderLine[];
    }
  /** The answer to an offer that came in a 2xx of ours without offer: goes in the ACK. */
  | { readonly type: 'acknowledge'; readonly call: string; readonly sdp: string }
  /** New offer (or, null, ask the peer for one). Answered by `reanswered` or `rerefused`. */
  | { readonly type: 'reinvite'; readonly call: string; readonly sdp: string | null }
  | {
      readonly type: 'info';
      readonly call: string;
      readonly contentType: string;
      readonly content: string;
    }
  /** Ends the call whatever its state: 480, CANCEL, or BYE (after the ACK, if that is still awaited). */
  | { readonly type: 'hangup'; readonly call: string; readonly headers?: readonly HeaderLine[] };

export interface DialOptions {
  /** The Request-URI: `sip:1000@host:5060;transport=tcp`. */
  readonly to: string;
  /** Text of the From user and display name. */
  readonly user: string;
  readonly display?: string;
  /** Undefined: the INVITE carries no offer; the answer is due in the ACK. */
  readonly sdp?: string | undefined;
  readonly headers?: readonly HeaderLine[];
  readonly credentials?: Credentials;
  /** Goes here instead of to the host of `to` (an outbound proxy, an open connection). */
  readonly flow?: Flow;
}

export type Command =
  | CallCommand
  | { readonly type: 'dial'; readonly call: string; readonly options: DialOptions }
  /** OPTIONS outside any call; answered by `pong` with the same id. */
  | { readonly type: 'ping'; readonly id: string; readonly to: string; readonly flow?: Flow }
  /** From now on new calls and OPTIONS get 503 with Retry-After. */
  | { readonly type: 'drain'; readonly retryAfterS: number };

export type SipInput = WireInput | Command;

/** Why a call ended. `timer`: no ACK, or no answer to a request within it. */
export interface Ended {
  readonly by: 'local' | 'remote' | 'timer' | 'transport';
  /** The Reason header of a BYE or CANCEL, as text. */
  readonly reason?: string | undefined;
}

/** Every call's last event is one of `ended`, `failed`, `cancelled`; it has exactly one of them. */
export type CallEvent =
  | {
      readonly type: 'invite';
      readonly call: string;
      readonly request: SipRequest;
      readonly flow: Flow;
      /** Undefined: offerless; `answer` then carries our offer, and `confirmed` their answer. */
      readonly sdp: string | undefined;
    }
  /** The caller gave up before an answer; 487 is sent. The call is over. */
  | { readonly type: 'cancelled'; readonly call: string; readonly reason?: string | undefined }
  /** A provisional response to our INVITE. Several `toTag`s: it forked. */
  | {
      readonly type: 'progress';
      readonly call: string;
      readonly status: number;
      readonly sdp: string | undefined;
      readonly toTag: string | undefined;
    }
  /** 2xx to our INVITE. `owed`: it was offerless, `sdp` is the peer's offer and `acknowledge` is due. */
  | {
      readonly type: 'answered';
      readonly call: string;
      readonly sdp: string | undefined;
      readonly owed: boolean;
      readonly response: SipResponse;
    }
  /** Our INVITE failed: the final status, 408 when nobody answered, 503 when it could not be sent. The call is over. */
  | {
      readonly type: 'failed';
      readonly call: string;
      readonly status: number;
      readonly reason: string;
      readonly response: SipResponse | undefined;
    }
  /** The ACK of our 2xx, to INVITE or re-INVITE; `sdp` if it carried an answer. */
  | { readonly type: 'confirmed'; readonly call: string; readonly sdp: string | undefined }
  /** A re-INVITE; `answer` or `reject` is due. Undefined: it asks for our offer. */
  | { readonly type: 'offer'; readonly call: string; readonly sdp: string | undefined }
  /** The peer cancelled its re-INVITE; 487 is sent. */
  | { readonly type: 'withdrawn'; readonly call: string }
  | {
      readonly type: 'reanswered';
      readonly call: string;
      readonly sdp: string | undefined;
      readonly owed: boolean;
    }
  /** Our re-INVITE was refused; the call goes on as it was. 491: the peer's own offer came first, ask again after it. */
  | { readonly type: 'rerefused'; readonly call: string; readonly status: number }
  /** An INFO of an accepted type; already answered 200. */
  | {
      readonly type: 'info';
      readonly call: string;
      readonly contentType: string;
      readonly content: string;
    }
  | ({ readonly type: 'ended'; readonly call: string } & Ended);

export type SipOutput =
  | CallEvent
  | {
      readonly type: 'send';
      readonly flow: Flow;
      readonly bytes: Buffer;
      readonly call: string | undefined;
    }
  | { readonly type: 'close-flow'; readonly flow: Flow; readonly reason: string }
  /** A message of a known call came in, before what it causes (the first INVITE: after its `invite`): for the ladder. */
  | { readonly type: 'received'; readonly call: string; readonly flow: Flow; readonly bytes: Buffer }
  /** A request refused by the rules of the RFC before the application saw it. */
  | {
      readonly type: 'refused';
      readonly status: number;
      readonly reason: string;
      readonly flow: Flow;
    }
  | { readonly type: 'dropped'; readonly reason: string; readonly flow: Flow }
  | { readonly type: 'pong'; readonly id: string; readonly status: number };
