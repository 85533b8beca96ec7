/** What goes into and comes out of the state machine of one call. */
import type { LegCommand, Termination } from '../../src/contract.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import type { OfLeg } from './call-leg.ts';
import type { TextsOut } from './texts.ts';

export type CallIn =
  | { readonly type: 'begin' }
  | OfLeg
  | { readonly type: 'sip'; readonly event: Parameters<OnCall>[0] }
  | { readonly type: 'close'; readonly why: Termination };

export type CallOut =
  | { readonly type: 'ring' }
  | { readonly type: 'answer' | 'reinvite'; readonly sdp: string }
  /** To the INVITE or re-INVITE that waits. */
  | { readonly type: 'reject'; readonly why: Termination }
  | { readonly type: 'info'; readonly contentType: string; readonly content: string }
  | { readonly type: 'hangup'; readonly why: Termination }
  /** Whatever `place` has begun is to be undone. */
  | { readonly type: 'abort' }
  /** On another agent, which goes on from `before`, our newest description; answered by `placed` or `unplaced`. */
  | {
      readonly type: 'place-again';
      readonly why: string;
      readonly before: string | undefined;
      readonly held: boolean;
    }
  | { readonly type: 'leg'; readonly command: LegCommand }
  | TextsOut;
