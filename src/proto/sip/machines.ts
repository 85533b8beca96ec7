/**
 * The four transaction machines of RFC 3261 §17 with the accepted states of RFC 6026, as data: what each input does in
 * each state. `transaction.ts` runs them. A pair that is not here changes nothing (a retransmission, or too late).
 *
 * Timers on reliable transports: A, E and G never run; D, I, J and K last no time at all.
 */
export type State =
  | 'calling'
  | 'trying'
  | 'proceeding'
  | 'accepted'
  | 'completed'
  | 'confirmed'
  | 'terminated';
export type TimerLetter = 'A' | 'B' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M';

export type Action =
  /** Sends the message at hand: the request, or the response the user just gave. */
  | 'send'
  /** Sends the last message again. */
  | 'resend'
  /** Sends the ACK of a non-2xx response, §17.1.1.3. */
  | 'ack'
  /** Gives the response to the user. */
  | 'pass'
  | 'report-timeout'
  | 'report-transport'
  | `arm-${TimerLetter}`
  | `stop-${TimerLetter}`;

interface Row {
  readonly to: State;
  readonly do: readonly Action[];
}
export type Machine = Readonly<Record<string, Row>>;

/** §17.1.1, figure 5. */
export const INVITE_CLIENT: Machine = {
  // "The initial state, "calling", MUST be entered when the TU initiates a new client transaction with an INVITE request."
  'calling/start': { to: 'calling', do: ['send', 'arm-A', 'arm-B'] },
  // "When timer A fires, the client transaction MUST retransmit the request … and MUST reset the timer with a value of 2*T1."
  'calling/timer-A': { to: 'calling', do: ['resend', 'arm-A'] },
  // "If the client transaction is still in the "Calling" state when timer B fires, [it] SHOULD inform the TU that a timeout has occurred."
  'calling/timer-B': { to: 'terminated', do: ['report-timeout'] },
  // "If the client transaction receives a provisional response while in the "Calling" state, it transitions to the "Proceeding" state …
  // [it] SHOULD NOT retransmit the request any longer. Furthermore, the provisional response MUST be passed to the TU."
  'calling/1xx': { to: 'proceeding', do: ['stop-A', 'stop-B', 'pass'] },
  // RFC 6026 §8.4: "it transitions to the "Accepted" state, and Timer M is set to 64*T1."
  'calling/2xx': { to: 'accepted', do: ['stop-A', 'stop-B', 'arm-M', 'pass'] },
  // "reception of a response with status code from 300-699 MUST cause the client transaction to transition to "Completed" …
  // MUST generate an ACK request … MUST start timer D when it enters the "Completed" state".
  'calling/final': { to: 'completed', do: ['stop-A', 'stop-B', 'arm-D', 'ack', 'pass'] },
  // "If the transport … reports a failure … the client transaction SHOULD inform the TU".
  'calling/transport-error': { to: 'terminated', do: ['report-transport'] },
  'proceeding/1xx': { to: 'proceeding', do: ['pass'] },
  'proceeding/2xx': { to: 'accepted', do: ['stop-B', 'arm-M', 'pass'] },
  'proceeding/final': { to: 'completed', do: ['stop-B', 'arm-D', 'ack', 'pass'] },
  // §9.1: "if there is no final response for the original request in 64*T1 seconds …, the client SHOULD then consider the
  // original transaction cancelled and SHOULD destroy the client transaction". Timer B serves again for that.
  'proceeding/cancelled': { to: 'proceeding', do: ['arm-B'] },
  'proceeding/timer-B': { to: 'terminated', do: ['report-timeout'] },
  'proceeding/transport-error': { to: 'terminated', do: ['report-transport'] },
  // RFC 6026 §7.2: "each 2xx response is passed to the TU": retransmissions are ACKed again, other forks get ACK and BYE.
  'accepted/2xx': { to: 'accepted', do: ['pass'] },
  'accepted/timer-M': { to: 'terminated', do: [] },
  // "Any retransmissions of the final response … while in the "Completed" state MUST cause the ACK to be re-passed to the
  // transport layer for retransmission, but the newly received response MUST NOT be passed up to the TU."
  'completed/final': { to: 'completed', do: ['ack'] },
  'completed/timer-D': { to: 'terminated', do: [] },
  'completed/transport-error': { to: 'terminated', do: [] },
};

/** §17.1.2, figure 6. */
export const CLIENT: Machine = {
  'trying/start': { to: 'trying', do: ['send', 'arm-E', 'arm-F'] },
  // "If timer E fires … the request is passed to the transport layer for retransmission, and timer E is reset with a value of MIN(2*T1, T2)."
  'trying/timer-E': { to: 'trying', do: ['resend', 'arm-E'] },
  // "If Timer F fires while the client transaction is still in the "Trying" state, [it] SHOULD inform the TU about the timeout".
  'trying/timer-F': { to: 'terminated', do: ['report-timeout'] },
  'trying/1xx': { to: 'proceeding', do: ['pass'] },
  // "If a final response … is received … the response MUST be passed to the TU, and the client transaction MUST transition to
  // the "Completed" state … it MUST set Timer K to fire in T4 seconds".
  'trying/2xx': { to: 'completed', do: ['stop-E', 'stop-F', 'arm-K', 'pass'] },
  'trying/final': { to: 'completed', do: ['stop-E', 'stop-F', 'arm-K', 'pass'] },
  'trying/transport-error': { to: 'terminated', do: ['report-transport'] },
  // "If Timer E fires while in the "Proceeding" state, the request MUST be passed to the transport layer for retransmission,
  // and Timer E MUST be reset with a value of T2 seconds."
  'proceeding/timer-E': { to: 'proceeding', do: ['resend', 'arm-E'] },
  'proceeding/timer-F': { to: 'terminated', do: ['report-timeout'] },
  'proceeding/1xx': { to: 'proceeding', do: ['pass'] },
  'proceeding/2xx': { to: 'completed', do: ['stop-E', 'stop-F', 'arm-K', 'pass'] },
  'proceeding/final': { to: 'completed', do: ['stop-E', 'stop-F', 'arm-K', 'pass'] },
  'proceeding/transport-error': { to: 'terminated', do: ['report-transport'] },
  // "If Timer K fires while in this state, the client transaction MUST transition to the "Terminated" state."
  'completed/timer-K': { to: 'terminated', do: [] },
};

/** §17.2.1, figure 7. */
export const INVITE_SERVER: Machine = {
  // "If a request retransmission is received while in the "Proceeding" state, the most recent provisional response … MUST be
  // passed to the transport layer for retransmission."
  'proceeding/request': { to: 'proceeding', do: ['resend'] },
  'proceeding/1xx': { to: 'proceeding', do: ['send'] },
  // RFC 6026 §8.5: "the server transaction MUST transition to the "Accepted" state and Timer L is set to 64*T1".
  'proceeding/2xx': { to: 'accepted', do: ['send', 'arm-L'] },
  // "If the TU passes a response with status code from 300 to 699 … the response MUST be passed to the transport layer …
  // and the state machine MUST enter the "Completed" state. For unreliable transports, timer G is set to fire in T1 seconds …
  // When the "Completed" state is entered, timer H MUST be set to fire in 64*T1 seconds for all transports."
  'proceeding/final': { to: 'completed', do: ['send', 'arm-G', 'arm-H'] },
  // RFC 6026 §7.1: "any retransmissions of the INVITE … are absorbed"; the TU retransmits the 2xx by itself (§13.3.1.4).
  'accepted/2xx': { to: 'accepted', do: ['send'] },
  'accepted/timer-L': { to: 'terminated', do: [] },
  // "If timer G fires, the response is passed to the transport layer once more for retransmission, and timer G is set to
  // fire in MIN(2*T1, T2) seconds." A retransmitted request does the same.
  'completed/timer-G': { to: 'completed', do: ['resend', 'arm-G'] },
  'completed/request': { to: 'completed', do: ['resend'] },
  // "If an ACK is received while the server transaction is in the "Completed" state, [it] MUST transition to the "Confirmed"
  // state. As Timer G is ignored in this state, any retransmissions of the response will cease."
  'completed/ack': { to: 'confirmed', do: ['stop-G', 'stop-H', 'arm-I'] },
  // "If timer H fires while in the "Completed" state, it implies that the ACK was never received." Nothing waits for it here.
  'completed/timer-H': { to: 'terminated', do: ['stop-G'] },
  // "The purpose of the "Confirmed" state is to absorb any additional ACK messages that arrive".
  'confirmed/timer-I': { to: 'terminated', do: [] },
};

/** §17.2.2, figure 8. */
export const SERVER: Machine = {
  // "Once in the "Trying" state, any further request retransmissions are discarded."
  'trying/1xx': { to: 'proceeding', do: ['send'] },
  'trying/2xx': { to: 'completed', do: ['send', 'arm-J'] },
  'trying/final': { to: 'completed', do: ['send', 'arm-J'] },
  // "If a retransmission of the request is received while in the "Proceeding" state, the most recently sent provisional
  // response MUST be passed to the transport layer for retransmission."
  'proceeding/request': { to: 'proceeding', do: ['resend'] },
  'proceeding/1xx': { to: 'proceeding', do: ['send'] },
  'proceeding/2xx': { to: 'completed', do: ['send', 'arm-J'] },
  'proceeding/final': { to: 'completed', do: ['send', 'arm-J'] },
  // "While in the "Completed" state, the server transaction MUST pass the final response to the transport layer for
  // retransmission whenever a retransmission of the request is received."
  'completed/request': { to: 'completed', do: ['resend'] },
  'completed/timer-J': { to: 'terminated', do: [] },
};
