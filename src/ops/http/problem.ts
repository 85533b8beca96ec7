import { STATUS_CODES } from 'node:http';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { Refusal, type Termination, terminationOf } from '../../kit/refusal.ts';

/** RFC 9457 §3.1. `type` is stable: clients switch on it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Reasons whose status is not the one of their blame. Any other: client 400, upstream 502, server 503. */
const STATUS: Readonly<Record<string, number>> = {
  'not-authorized': 401,
  'not-permitted': 403,
  'https-required': 403,
  'wrong-pin': 403,
  'room-locked': 403,
  banned: 403,
  kicked: 403,
  'not-found': 404,
  'no-such-room': 404,
  'no-such-participant': 404,
  'no-such-leg': 404,
  'no-such-agent': 404,
  'no-such-member': 404,
  'no-such-call': 404,
  'no-such-drill': 404,
  'no-such-trunk': 404,
  'bad-room': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'leg-in-use': 409,
  'drill-running': 409,
  'nothing-to-impair': 409,
  'too-large': 413,
  'unsupported-media-type': 415,
  'no-common-codec': 422,
  'no-audio': 422,
  'too-many-tries': 429,
  'too-many-requests': 429,
  'too-many-new-rooms': 429,
  'too-many-tickets': 429,
  'headers-too-large': 431,
  'internal-error': 500,
  'not-implemented': 501,
  timeout: 504,
};

const statusOf = ({ reason, blame }: Termination): number =>
  STATUS[reason] ?? (blame === 'client' ? 400 : blame === 'upstream' ? 502 : 503);

export function problem(why: Termination): Problem {
  const status = statusOf(why);
  const words = why.reason.replaceAll('-', ' ');
  return {
    type: `urn:roombridge:problem:${why.reason}`,
    title: words.charAt(0).toUpperCase() + words.slice(1),
    status,
    ...(why.text !== undefined && { detail: why.text }),
  };
}

const BY_STATUS: Readonly<Record<number, string>> = {
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'too-large',
  415: 'unsupported-media-type',
  431: 'headers-too-large',
};

/** What anything thrown while a request was served becomes; `bug` when it was not foreseen. */
export function problemOf(error: unknown): { problem: Problem; bug: boolean } {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const faults = error.validation.slice(0, 10).map(v => {
      const at = `${error.validationContext ?? 'request'}${v.instancePath.replace(/^\/$/, '').replaceAll('/', '.')}`;
      return `${at}: ${v.message ?? 'is not valid'}`;
    });
    return {
      problem: problem({ blame: 'client', reason: 'bad-request', text: `${faults.join('; ')}.` }),
      bug: false,
    };
  }
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown };
  if (!(error instanceof Refusal) && typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return {
      problem: problem({
        blame: 'client',
        reason: BY_STATUS[statusCode] ?? 'bad-request',
        text: String(message),
      }),
      bug: false,
    };
  return { problem: problem(terminationOf(error)), bug: !(error instanceof Refusal) };
}

/** The whole answer as bytes, for when there is no response object: a request that could not be parsed. */
export function rawProblem(why: Termination): string {
  const p = problem(why);
  const body = JSON.stringify(p);
  return [
    `HTTP/1.1 ${p.status} ${STATUS_CODES[p.status] ?? 'Error'}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
