import type { Dialled, DialStep, Termination } from '../../src/contract.ts';
import { terminationOf } from '../../src/kit/refusal.ts';
import type { Replaces } from '../../src/proto/sip/replaces.ts';
import type { OnCall, SipCall } from '../../src/proto/sip/signalling.ts';
import { type HostPort, parseUri } from '../../src/proto/sip/uri.ts';
import { refusalOf } from './status.ts';

/** What a phone in a room asked for by REFER: call someone into the room. */
export interface TransferAsk {
  readonly room: string;
  readonly to: string;
  /** Attended: the call takes the place of one that the target has with the phone (RFC 3891). */
  readonly replaces: Replaces | undefined;
}

/** Makes the call; rejects with a Refusal when it may not be made. */
export type CallInto = (ask: TransferAsk, on: (step: DialStep) => void) => Promise<Dialled>;

type Refer = Extract<Parameters<OnCall>[0], { type: 'refer' }>;

const TRANSFERS_OFF: Termination = {
  blame: 'client',
  reason: 'transfers-off',
  text: 'Transfers are not allowed here; the operator can switch them on (sip.dialOut.transfers).',
};
const TO_OURSELVES: Termination = {
  blame: 'client',
  reason: 'transfer-to-room',
  text: 'The target is a room of this bridge: call it yourself instead of transferring there.',
};

/** What the phone's NOTIFYs say of each step, RFC 3515 §2.4.5. */
const STATUS: Readonly<Record<Exclude<DialStep['state'], 'ended'>, number>> = {
  calling: 100,
  ringing: 180,
  early: 183,
  up: 200,
};

/**
 * The phone of `call`, in `room`, asks for a transfer: its target is called into the room, under the rules of any call out,
 * and it hears how that goes. Then it hangs up, or stays. `self`: where it called us.
 */
export function transfer(
  e: Refer,
  call: Pick<SipCall, 'acceptRefer' | 'refuseRefer' | 'notify'>,
  { room, self, callInto }: { room: string; self: HostPort; callInto: CallInto | undefined },
): void {
  const refuse = (why: Termination): void => {
    const { status, reason, headers } = refusalOf(why);
    call.refuseRefer(e.id, status, { reason, headers });
  };
  if (callInto === undefined) return refuse(TRANSFERS_OFF);
  const target = parseUri(e.to);
  // A PBX may stand on our own host, at another port.
  if (target?.host === self.host && (target.port ?? 5060) === (self.port ?? 5060))
    return refuse(TO_OURSELVES);
  const tell = ({ state, status }: DialStep): void =>
    call.notify(e.id, state === 'ended' ? Math.max(status ?? 0, 400) : STATUS[state]);
  callInto({ room, to: e.to, replaces: e.replaces }, tell).then(
    () => call.acceptRefer(e.id),
    error => refuse(terminationOf(error)),
  );
}
