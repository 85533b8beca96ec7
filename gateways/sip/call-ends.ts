/** Why a call ended or was never begun, in words. */
import type { Termination } from '../../src/contract.ts';

export const WITHDRAWN: Termination = { blame: 'client', reason: 'cancelled', text: 'The caller gave up.' };
export const HUNG_UP: Termination = { blame: 'none', reason: 'hung-up' };
export const NO_PLACE: Termination = {
  blame: 'server',
  reason: 'timeout',
  text: 'No agent took the call within 10 s; try again, and see the log for what they wait for.',
};
export const AGENT_SILENT: Termination = {
  blame: 'server',
  reason: 'agent-silent',
  text: 'The media agent did not answer the offer within 8 s.',
};
export const NO_ANSWER: Termination = {
  blame: 'client',
  reason: 'no-answer-in-ack',
  text: 'The INVITE had no offer, so its ACK must carry the answer to ours (RFC 3261 §13.2.2.4); it carried none.',
};
export const MOVED: Termination = {
  blame: 'server',
  reason: 'moved',
  text: 'The media agent of this call is being emptied; another takes the call.',
};
export const BETWEEN_AGENTS: Termination = {
  blame: 'server',
  reason: 'request-pending',
  text: 'Another media process takes this call over; ask again.',
};
/** `status`: the phone's, to the description of another agent. */
export const notMoved = (status: number): Termination => ({
  blame: 'client',
  reason: 'not-moved',
  text: `Another media process has taken this call over, and the phone did not follow (it said ${status}); call again.`,
});

/** What a BYE, a timer or a lost connection says. */
export function terminationOfEnd(
  by: 'local' | 'remote' | 'timer' | 'transport',
  reason: string | undefined,
): Termination {
  if (by === 'timer')
    return { blame: 'client', reason: 'connection-lost', text: reason ?? 'The phone stopped answering.' };
  if (by === 'transport')
    return { blame: 'upstream', reason: 'connection-lost', text: 'The connection to the phone is gone.' };
  return HUNG_UP;
}
