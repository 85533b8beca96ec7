/** What goes into and comes out of the endpoint. */
import type { Millis } from '../../kit/core.ts';
import type { Credentials } from './digest.ts';
import type { Flow } from './flow.ts';
import type { SipRequest, SipResponse } from './message.ts';
import type { Replaces } from './replaces.ts';
import type { DialogSnapshot } from './snapshot.ts';
import type { HeaderLine } from './write.ts';

/** From the wire. A `chunk` is a piece of a stream, `datagram` a whole message. */
type WireInput =
  | { readonly type: 'datagram' | 'chunk'; readonly flow: Flow; readonly bytes: Buffer }
  | { readonly type: 'flow-closed'; readonly flow: Flow };

/** About one call. A command that does not fit the call's state (the race was lost) does nothing. */
export type CallCommand =
  /**
   * 101–199 to an INVITE from outside. Sent reliably (RFC 3262) where the caller demands it, or knows it and either there is
   * a description or `reliable` says so; each is answered by `pracked`.
   */
  | {
      readonly type: 'progress';
      readonly call: string;
      readonly status: number;
      readonly sdp?: string | undefined;
      readonly reliable?: boolean | undefined;
    }
  /** 200 to the INVITE, re-INVITE, UPDATE or PRACK that waits; an answer, or the offer if it had none. */
  | { readonly type: 'answer'; readonly call: string; readonly sdp: string }
  /** 300–699 to the INVITE, re-INVITE or UPDATE that waits; the first INVITE's call is then `ended`. */
  | {
      readonly type: 'reject';
      readonly call: string;
      readonly status: number;
      readonly reason?: string | undefined;
      readonly headers?: readonly HeaderLine[];
    }
  /** The answer to an offer that came in a response to an INVITE of ours without offer: goes in the ACK, or in the PRACK. */
  | { readonly type: 'acknowledge'; readonly call: string; readonly sdp: string }
  /**
   * New offer (or, null, ask the peer for one). Answered by `reanswered` or `rerefused`. `auto` (the default): UPDATE while the
   * call is not answered, else INVITE, which gives a person time to agree (RFC 3311 §5.1).
   */
  | {
      readonly type: 'reinvite';
      readonly call: string;
      readonly sdp: string | null;
      readonly method?: 'INVITE' | 'UPDATE' | 'auto' | undefined;
    }
  | {
      readonly type: 'info';
      readonly call: string;
      readonly contentType: string;
      readonly content: string;
    }
  /** A text for whoever is at the peer (RFC 3428); `messaged` tells its answer. One at a time. */
  | { readonly type: 'message'; readonly call: string; readonly content: string }
  /** To the `message` event of that `id`. */
  | {
      readonly type: 'answer-message';
      readonly call: string;
      readonly id: number;
      readonly status: number;
      readonly reason?: string | undefined;
      readonly headers?: readonly HeaderLine[] | undefined;
    }
  /** Asks the peer to call `to` (in the place of `replaces`, a dialog of the one it calls); `referred` tells how it goes. */
  | {
      readonly type: 'refer';
      readonly call: string;
      readonly id: string;
      readonly to: string;
      readonly replaces?: Replaces | undefined;
      readonly headers?: readonly HeaderLine[] | undefined;
    }
  /** 202 to the peer's REFER of that `id`; from then on `notify` tells it how the call goes, the last time a final status. */
  | { readonly type: 'accept-refer'; readonly call: string; readonly id: number }
  | {
      readonly type: 'refuse-refer';
      readonly call: string;
      readonly id: number;
      readonly status: number;
      readonly reason?: string | undefined;
      readonly headers?: readonly HeaderLine[] | undefined;
    }
  | {
      readonly type: 'notify';
      readonly call: string;
      readonly id: number;
      readonly status: number;
      readonly reason?: string | undefined;
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
  /** The URI of From instead of `user` at our own address: a trunk's `sip:+4930123@provider.example`. */
  readonly from?: string;
  /** Route header values: an outbound proxy that is not the host of `to`. */
  readonly routes?: readonly string[];
  /** RFC 3263 §4.3: the same request tried elsewhere keeps its Call-ID and From tag; only the branch is new. */
  readonly identity?: CallIdentity;
  /** RFC 3891: takes the place of that dialog of the one called. */
  readonly replaces?: Replaces;
}

export interface CallIdentity {
  readonly callId: string;
  readonly tag: string;
}

/** A request outside any call, without body: OPTIONS or REGISTER. */
export interface OutsideRequest {
  readonly method: string;
  readonly uri: string;
  /** URIs of From and To. */
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  readonly routes?: readonly string[];
  /** User part of our Contact; absent: the request has none. */
  readonly contact?: string;
  readonly headers: readonly HeaderLine[];
}

export type Command =
  | CallCommand
  | { readonly type: 'dial'; readonly call: string; readonly options: DialOptions }
  /** OPTIONS outside any call; answered by `pong` with the same id. */
  | { readonly type: 'ping'; readonly id: string; readonly to: string; readonly flow?: Flow }
  /** Answered by `response` with the same id. Credentials are the asker's business. */
  | {
      readonly type: 'request';
      readonly id: string;
      readonly request: OutsideRequest;
      readonly flow: Flow;
    }
  /** BYE for a dialog of a process that is gone; answered by `buried` with the same id. */
  | {
      readonly type: 'bury';
      readonly id: string;
      readonly snapshot: DialogSnapshot;
      readonly headers?: readonly HeaderLine[] | undefined;
    }
  /** RFC 5626 §4.4: pings keep the path open, and tell when it is dead (it is closed then). Undefined: no more of them. */
  | { readonly type: 'keep-alive'; readonly flow: Flow; readonly everyMs: Millis | undefined }
  /** From now on new calls and OPTIONS get 503 with Retry-After. */
  | { readonly type: 'drain'; readonly retryAfterS: number };

export type SipInput = WireInput | Command;

/** Why a call ended. `timer`: no ACK, no PRACK, no answer to a request within it, or no refresh of the session. */
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
      /** The call it is to take the place of (RFC 3891); that one is hung up when this one is answered. */
      readonly replaces?: string | undefined;
    }
  /** The caller gave up before an answer; 487 is sent. The call is over. */
  | { readonly type: 'cancelled'; readonly call: string; readonly reason?: string | undefined }
  /** 100 to our INVITE: the next hop has it. */
  | { readonly type: 'trying'; readonly call: string }
  /** A provisional response to our INVITE but 100. Several `toTag`s: it forked. */
  | {
      readonly type: 'progress';
      readonly call: string;
      readonly status: number;
      readonly sdp: string | undefined;
      readonly toTag: string | undefined;
      /** Our INVITE had no offer and `sdp` is the peer's: `acknowledge` is due. */
      readonly owed?: boolean;
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
  /** The PRACK of a reliable provisional response of ours; `sdp` if that carried our offer: the answer. */
  | { readonly type: 'pracked'; readonly call: string; readonly sdp: string | undefined }
  /** The session was refreshed (RFC 4028), by either side; nothing else changed. */
  | { readonly type: 'refreshed'; readonly call: string }
  /**
   * The peer asks us to call `to`, in the place of a dialog of that one if it names one (RFC 3515); `accept-refer` or
   * `refuse-refer` with this `id` is due within 20 s.
   */
  | {
      readonly type: 'refer';
      readonly call: string;
      readonly id: number;
      readonly to: string;
      readonly replaces: Replaces | undefined;
      readonly referredBy: string | undefined;
    }
  /** How a call goes that we asked the peer for: the status it has got so far; `done`: the last word. */
  | {
      readonly type: 'referred';
      readonly call: string;
      readonly id: string;
      readonly status: number;
      readonly done: boolean;
    }
  /** The ACK of our 2xx, to INVITE or re-INVITE; `sdp` if it carried an answer. */
  | { readonly type: 'confirmed'; readonly call: string; readonly sdp: string | undefined }
  /** An offer in a re-INVITE, UPDATE or PRACK; `answer` or `reject` is due. Undefined: it asks for our offer. */
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
  /** A MESSAGE with a text; `answer-message` with this `id` is due within 20 s. */
  | { readonly type: 'message'; readonly call: string; readonly id: number; readonly text: string }
  /** The final answer to our MESSAGE: 408 when there was none, 503 when it could not be sent. */
  | { readonly type: 'messaged'; readonly call: string; readonly status: number }
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
      /** It could not be read as the grammar says. */
      readonly malformed?: boolean;
    }
  | { readonly type: 'dropped'; readonly reason: string; readonly flow: Flow; readonly malformed?: boolean }
  | { readonly type: 'pong'; readonly id: string; readonly status: number }
  /** A dialog as it stands now, to be kept where a successor finds it; undefined: it is over. Only if `snapshots` is configured. */
  | { readonly type: 'snapshot'; readonly call: string; readonly snapshot: DialogSnapshot | undefined }
  /** The final status of a BYE from a snapshot; 408 when nobody answered, 481 when the peer knew it was over. */
  | { readonly type: 'buried'; readonly id: string; readonly status: number }
  /** The final answer to a `request`: 408 when nobody answered, 503 when it could not be sent, then without `response`. */
  | {
      readonly type: 'response';
      readonly id: string;
      readonly status: number;
      readonly response: SipResponse | undefined;
    };
