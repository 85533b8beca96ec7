/** What becomes of a call out, in sentences. */
import type { Termination } from '../../src/contract.ts';
import { headerText, type SipResponse } from '../../src/proto/sip/message.ts';

const upstream = (reason: string, text: string): Termination => ({ blame: 'upstream', reason, text });

export const RANG_OUT = (seconds: number): Termination =>
  upstream('no-answer', `Nobody answered within ${seconds} s; the call was withdrawn.`);

/** To an UPDATE with an offer before the answer (RFC 3311). */
export const NOT_YET: Termination = {
  blame: 'server',
  reason: 'no-renegotiation',
  text: 'The media of a call that is not answered yet is not changed.',
};

export const TOO_MANY_REDIRECTS = upstream(
  'redirect-loop',
  'The call was redirected more than 5 times and was given up: the redirections probably form a circle.',
);

/** What a provisional response says. */
export function progressText(status: number, media: boolean): string {
  if (media) return `The called side plays something before it answers (${status}); the room hears it.`;
  if (status === 180) return 'It rings.';
  if (status === 181) return 'The call is being forwarded.';
  if (status === 182) return 'The call waits in a queue.';
  return `The call makes progress (${status}).`;
}

/** Why a call failed with this final status; `hop` is who said so. */
export function failureOf(
  status: number,
  reason: string,
  response: SipResponse | undefined,
  hop: string,
  hasPassword: boolean,
): Termination {
  const said = response === undefined ? undefined : sentenceIn(response);
  const why = (slug: string, text: string): Termination =>
    upstream(slug, said === undefined ? text : `${text} It says: ${said}.`);
  const code = `${status} ${reason}`;
  switch (status) {
    case 486:
    case 600:
      return why('busy', `The called side is busy (${code}).`);
    case 603:
    case 607:
    case 608:
      return why('declined', `The called side declined the call (${code}).`);
    case 480:
      return why('no-answer', `The called side cannot be reached now, or nobody answered (${code}).`);
    case 408:
      return response === undefined
        ? upstream('no-answer', `${hop} did not answer the INVITE: check that it runs and lets this host in.`)
        : why('no-answer', `Nobody answered in time (${code}).`);
    case 404:
    case 410:
    case 484:
    case 604:
      return why('not-found', `${hop} knows no such number or address (${code}).`);
    case 401:
    case 407:
      return hasPassword
        ? why(
            'not-authorized',
            `${hop} refused user name or password (${code}): correct the trunk's outbound.username and password.`,
          )
        : why(
            'not-authorized',
            `${hop} asks for a password (${code}): set outbound.username and outbound.password of the trunk.`,
          );
    case 403:
      return why(
        'not-permitted',
        `${hop} does not allow this call (${code}): ask its operator about the number, the caller id and this host's address.`,
      );
    case 416:
      return why('bad-target', `${hop} does not understand this kind of address (${code}).`);
    case 488:
    case 606:
      return why('no-common-codec', `The called side takes none of the media we offer (${code}).`);
    case 487:
      return why('cancelled', `The call was withdrawn (${code}).`);
    case 503:
      return response === undefined
        ? upstream(
            'unreachable',
            `No connection to ${hop} could be made: check its address, its port and the firewall between.`,
          )
        : why('unavailable', `${hop} takes no calls now (${code}).`);
    default:
      return why(status < 500 ? 'refused' : 'failed', `${hop} refused the call (${code}).`);
  }
}

/** The text of Reason (RFC 3326) or Warning (RFC 3261 §20.43). */
function sentenceIn(r: SipResponse): string | undefined {
  for (const name of ['reason', 'warning']) {
    const text = /"((?:[^"\\]|\\.){1,300})"/.exec(headerText(r, name) ?? '')?.[1];
    if (text !== undefined) return text.replaceAll(/\\(.)/g, '$1').replace(/[.\s]+$/, '');
  }
  return undefined;
}
