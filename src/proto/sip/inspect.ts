import { bodyParts } from './body.ts';
import { isToken, quote } from './grammar.ts';
import { contactOf, type SipRequest } from './message.ts';
import { isTooShort } from './session-timer.ts';
import { plainText, TEXT_TYPES } from './text-body.ts';
import type { HeaderLine } from './write.ts';

/** What this endpoint can do, as told in Allow, Accept and Supported. */
export interface Capabilities {
  readonly methods: readonly string[];
  /** Option tags. */
  readonly extensions: readonly string[];
  /** Body types an INFO may carry. */
  readonly infoTypes: readonly string[];
  /** RFC 4028: the shortest session we take. */
  readonly minSeS: number;
}

export interface RequestRefusal {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderLine[];
}

/** RFC 3261 §20.43: 399 is words for a person. */
export const warning = (text: string): readonly HeaderLine[] => [
  ['Warning', `399 roombridge ${quote(text)}`],
];

/** Requests of dialogs that make no sense without one, beyond the plain 481. */
export function refuseOutside(method: string, can: Capabilities): RequestRefusal | undefined {
  switch (method) {
    case 'REFER': // RFC 3515 §2.4.2 would let anybody make us call anybody
      return { status: 403, headers: warning('REFER is taken within a call only.') };
    case 'MESSAGE': {
      // Who is no member has no say. §21.4.6: 405 is about "the address identified by the Request-URI", and lists what that takes.
      const allow = can.methods.filter(m => m !== 'MESSAGE').join(', ');
      const words =
        'Texts are taken within a call only: call the room, and send them in that dialog (RFC 3428).';
      return { status: 405, headers: [['Allow', allow], ...warning(words)] };
    }
    default:
      return undefined;
  }
}

/** Methods that exist; those of them we lack are 405, anything else is 501. */
const REGISTERED = new Set([
  ...['INVITE', 'ACK', 'BYE', 'CANCEL', 'REGISTER', 'OPTIONS', 'INFO', 'UPDATE'],
  ...['PRACK', 'REFER', 'NOTIFY', 'SUBSCRIBE', 'MESSAGE', 'PUBLISH'],
]);

/** RFC 3261 §8.2: the checks every request goes through, in the order the RFC gives. Undefined: it may pass. */
export function inspect(r: SipRequest, can: Capabilities): RequestRefusal | undefined {
  // §8.2.1: "If the UAS recognizes but does not support the method …, it MUST generate a 405 … MUST also add an Allow header".
  if (!can.methods.includes(r.method)) return refuseMethod(r.method, can);
  // §8.2.2.1: "If the Request-URI uses a scheme not supported by the UAS, it SHOULD reject the request with a 416".
  if (r.uri.scheme !== 'sip' && r.uri.scheme !== 'sips') return { status: 416 };
  // §8.2.2.3: Require "… MUST respond by generating a 420 … and list in it those options it does not understand". Not for CANCEL, ACK.
  if (r.method !== 'CANCEL') {
    const unknown = (r.headers.list('require') ?? []).filter(o => !can.extensions.includes(o.toLowerCase()));
    if (unknown.length > 0)
      return { status: 420, headers: [['Unsupported', unknown.filter(isToken).join(', ')]] };
  }
  // Max-Forwards 0 is no concern of the endpoint a request is meant for (§8.2 has no check; 483 is a proxy's, §16.3).
  return (
    refuseBody(r, can) ?? (r.method === 'INVITE' || r.method === 'UPDATE' ? refuseSession(r, can) : undefined)
  );
}

function refuseSession(r: SipRequest, can: Capabilities): RequestRefusal | undefined {
  // RFC 4028 §9: a 422 names the least we take.
  if (isTooShort(r, can.minSeS)) return { status: 422, headers: [['Min-SE', String(can.minSeS)]] };
  return r.method === 'INVITE' ? (refuseContact(r) ?? refuseAccept(r)) : undefined;
}

function refuseMethod(method: string, can: Capabilities): RequestRefusal {
  // §10.3 is for registrars; a phone set up with us as its server gets told what we are.
  if (method === 'REGISTER')
    return { status: 403, headers: warning('Phones register at their PBX; this is a conference bridge.') };
  return REGISTERED.has(method)
    ? { status: 405, headers: [['Allow', can.methods.join(', ')]] }
    : { status: 501 };
}

/**
 * §8.2.3: types and encodings we do not understand get 415, with what we do; unless the body is optional. RFC 5621 §8.1
 * asks the same of every part of a multipart body.
 */
function refuseBody(r: SipRequest, can: Capabilities): RequestRefusal | undefined {
  if (/;\s*handling\s*=\s*"?optional/i.test(r.headers.get('content-disposition') ?? '')) return undefined;
  if (r.method === 'MESSAGE') return refuseText(r);
  const accepted =
    r.method === 'INVITE' ? ['application/sdp'] : r.method === 'INFO' ? can.infoTypes : undefined;
  const parts = bodyParts(r);
  if (parts === undefined) return { status: 400, reason: 'Broken multipart body' };
  for (const part of parts) {
    if (part.optional) continue;
    if (part.encoding !== 'identity') return { status: 415, headers: [['Accept-Encoding', 'identity']] };
    if (accepted !== undefined && !accepted.includes(part.type))
      return { status: 415, headers: [['Accept', [...accepted, 'multipart/mixed'].join(', ')]] };
  }
  return undefined;
}

/** RFC 3428 §7: one part we can show is enough. */
function refuseText(r: SipRequest): RequestRefusal | undefined {
  if (r.body.length === 0 || plainText(r) !== undefined) return undefined;
  return { status: 415, headers: [['Accept', TEXT_TYPES.join(', ')]] };
}

/** §8.1.1.8: "The Contact header field MUST be present and contain exactly one SIP or SIPS URI in any request that can result in … a dialog." */
function refuseContact(r: SipRequest): RequestRefusal | undefined {
  const scheme = contactOf(r)?.uri.scheme;
  return scheme === 'sip' || scheme === 'sips'
    ? undefined
    : { status: 400, reason: 'Missing or unusable Contact' };
}

/** §20.1, §21.4.7: our answer is a session description; whoever takes only other things hears 406. */
function refuseAccept(r: SipRequest): RequestRefusal | undefined {
  if (r.headers.count('accept') === 0) return undefined;
  const taken = /^(?:\*\/\*|application\/\*|application\/sdp)$/i;
  const ranges = r.headers.list('accept') ?? [];
  if (ranges.length === 0 || ranges.some(range => taken.test(range.split(';', 1)[0]!.trim())))
    return undefined;
  return { status: 406, headers: [['Accept', 'application/sdp']] };
}
