import { Refusal } from '../../src/kit/refusal.ts';
import { answerCall, type CallLocal, type CallPlan } from '../../src/proto/sdp/call.ts';
import { parseSdp, type Sdp, versioned, writeSdp } from '../../src/proto/sdp/sdp.ts';
import type { SipCall } from '../../src/proto/sip/signalling.ts';

/** The server changes the session: taken as it comes, in the codecs at hand, else 488 and undefined. */
export function takeReoffer(
  text: string | undefined,
  call: SipCall | undefined,
  before: Sdp,
  local: CallLocal,
): { readonly description: Sdp; readonly plan: CallPlan } | undefined {
  const offer = parseSdp(text ?? '');
  const answer = typeof offer === 'string' ? undefined : answerCall(offer, local);
  if (answer === undefined || answer instanceof Refusal) return void call?.reject(488);
  const description = versioned(answer.sdp, before);
  call?.answer(writeSdp(description));
  return { description, plan: answer.plan };
}
