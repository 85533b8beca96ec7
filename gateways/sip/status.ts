import type { Termination } from '../../src/contract.ts';
import { quote } from '../../src/proto/sip/grammar.ts';
import { type HeaderLine, reasonPhrase } from '../../src/proto/sip/write.ts';

/** Terminations that have a SIP status of their own. */
const STATUS: Readonly<Record<string, number>> = {
  'bad-request': 400,
  'bad-sdp': 400,
  'bad-room': 404,
  'not-authorized': 403,
  'not-permitted': 403,
  banned: 403,
  kicked: 403,
  'wrong-pin': 403,
  'not-found': 404,
  'no-room-named': 404,
  'no-such-room': 404,
  'too-many-tries': 403,
  timeout: 480,
  'room-full': 486,
  'room-locked': 403,
  busy: 486,
  'transfers-off': 603,
  'transfer-to-room': 603,
  cancelled: 487,
  'request-pending': 491,
  'no-common-codec': 488,
  'no-common-profile': 488,
  'no-common-suite': 488,
  'no-media-keys': 488,
  'srtp-required': 488,
  'dtls-failed': 488,
  'no-audio': 488,
  'codec-missing': 488,
  'no-renegotiation': 488,
  'too-many-requests': 503,
  'agent-full': 503,
  'agent-lost': 503,
  'no-agent': 503,
  'no-port': 503,
  'not-ready': 503,
  draining: 503,
  'shutting-down': 503,
  'internal-error': 500,
  untrusted: 503, // between our own processes: nothing the caller did
};

/** RFC 3261 §20.43: 302 transport, 304 media type, 305 media format, 306 attribute not understood, 399 anything else said to a person. */
const WARNING: Readonly<Record<string, number>> = {
  'no-common-codec': 305,
  'codec-missing': 305,
  'no-audio': 304,
  'no-common-profile': 302,
  'srtp-required': 302,
  'no-common-suite': 305,
  'no-media-keys': 306,
};

/** The status that tells a refusal; what has none of its own goes by who is to blame. */
function statusOf(why: Termination): number {
  const status = STATUS[why.reason];
  if (status !== undefined) return status;
  return { none: 480, client: 403, upstream: 503, server: 503 }[why.blame];
}

/** Seconds after which it may be better. */
const RETRY_AFTER_S = 10;

/** A refusal with its sentence in `Reason` (RFC 3326) and `Warning`, so that nobody has to guess behind a bare number. */
export function refusalOf(why: Termination): { status: number; reason: string; headers: HeaderLine[] } {
  const status = statusOf(why);
  const headers: HeaderLine[] = [reasonHeader(why, status)];
  const warning = WARNING[why.reason] ?? 399;
  headers.push(['Warning', `${warning} roombridge ${quote(why.text ?? why.reason)}`]);
  if (status === 503) headers.push(['Retry-After', String(RETRY_AFTER_S)]);
  return { status, reason: reasonPhrase(status), headers };
}

/** RFC 3326: why a call ends, for BYE. A normal end is Q.850 cause 16. */
export function reasonHeader(why: Termination, status = statusOf(why)): HeaderLine {
  const text = quote(why.text ?? why.reason);
  return why.blame === 'none' && why.text === undefined
    ? ['Reason', `Q.850;cause=16;text=${text}`]
    : ['Reason', `SIP;cause=${status};text=${text}`];
}
