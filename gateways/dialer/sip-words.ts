import type { Refusal } from '../../src/kit/refusal.ts';
import { textOf, unquote } from '../../src/proto/sip/grammar.ts';
import type { SipResponse } from '../../src/proto/sip/message.ts';
import { silent } from './reach.ts';
import type { SipTarget } from './target.ts';
import { failed } from './verdict.ts';

/** Status and phrase, when these bytes are a response to an INVITE. */
export function responseIn(bytes: Buffer): { status: string; phrase: string } | undefined {
  const head = bytes.toString('latin1', 0, Math.min(bytes.length, 8192));
  const [, status, phrase] = /^SIP\/2\.0 (\d{3}) ([^\r\n]*)/.exec(head) ?? [];
  if (status === undefined || phrase === undefined || !/^cseq\s*:\s*\d+\s+invite\s*$/im.test(head))
    return undefined;
  return { status, phrase: textOf(phrase) };
}

/** A final answer that is no 2xx; without `response`, none came (408) or the connection broke (503). */
export function refusedCall(
  status: number,
  response: SipResponse | undefined,
  { transport, port }: SipTarget,
  address: string,
): Refusal {
  if (response === undefined)
    return status === 408
      ? silent(transport, address, port)
      : failed(
          'transport',
          `Transport: the ${transport} connection to ${address} port ${port} broke before the call was answered; see the server's log.`,
        );
  const said = sentenceIn(response);
  const who = status === 401 || status === 407 ? '; give --token, or --user and --password' : '';
  const what = `${status} ${textOf(response.reason)}${said === undefined ? '' : `: ${said.replace(/\.$/, '')}`}`;
  return failed('signalling', `Signalling: the server refused the call with ${what}${who}.`);
}

/** What a server says to a person: Warning (RFC 3261 §20.43), else the text of Reason (RFC 3326). */
function sentenceIn({ headers }: SipResponse): string | undefined {
  const warning = /^\d{3}\s+\S+\s+("(?:[^"\\]|\\.)*")/.exec(headers.get('warning') ?? '')?.[1];
  const reason = /;\s*text\s*=\s*("(?:[^"\\]|\\.)*")/i.exec(headers.get('reason') ?? '')?.[1];
  const quoted = warning ?? reason;
  return quoted === undefined ? undefined : textOf(unquote(quoted));
}

export const notPickedUp = (afterMs: number): Refusal =>
  failed(
    'signalling',
    `Signalling: the server took the call, but nobody picked up in ${afterMs / 1000} s; see its log for what it waits for.`,
  );

export function endedEarly(reason: string | undefined): Refusal {
  const text = /;\s*text\s*=\s*("(?:[^"\\]|\\.)*")/i.exec(reason ?? '')?.[1];
  const said = text === undefined ? reason : unquote(text).replace(/\.$/, '');
  return failed(
    'signalling',
    `Signalling: the server ended the call before its time${said === undefined ? '' : `: ${said}`}.`,
  );
}
