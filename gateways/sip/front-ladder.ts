import type { LadderStep } from '../../src/contract.ts';
import { textOf } from '../../src/proto/sip/grammar.ts';
import type { CallMessage } from '../../src/proto/sip/signalling.ts';

/** Everything that would let a reader of a ladder in: digest answers, tokens, media keys. Folded lines included. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/^((?:proxy-)?authorization|x-roombridge-token)([ \t]*:)(?:[^\r\n]|\r\n[ \t])*/gim, '$1$2 (masked)'],
  [/([;?&]token=)[^;>?&\s"]+/gi, '$1(masked)'],
  // Tag and suite stay, if they are that.
  [/(\ba=crypto:[ \t]*\d*[ \t]*\w*)[^\r\n]*/gi, '$1 (masked)'],
  [/(\ba=ice-pwd:)[^\r\n]+/gi, '$1(masked)'],
];

/** Something of the above may stand here: in most messages nothing does, and one look is cheaper than four. */
const SUSPECT = /authorization|x-roombridge-token|token=|a=crypto:|a=ice-pwd:/i;

export const masked = (text: string): string =>
  SUSPECT.test(text) ? SECRETS.reduce((t, [secret, instead]) => t.replace(secret, instead), text) : text;

/** One message as a line of the ladder. `at`: Unix ms. */
export function ladderStep({ dir, flow, bytes }: CallMessage, at: number): LadderStep {
  const text = masked(textOf(bytes.toString('latin1')).trimStart());
  const end = text.indexOf('\r\n');
  const first = end < 0 ? text : text.slice(0, end);
  const method = /^cseq[ \t]*:[ \t]*\d+[ \t]+(\S+)/im.exec(text)?.[1] ?? '';
  const summary = first.startsWith('SIP/2.0 ')
    ? `${first.slice(8)} (${method})`
    : first.replace(/ SIP\/2\.0$/, '');
  return { at, dir, transport: flow.transport, summary, text };
}
