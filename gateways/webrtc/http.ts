import type { HttpRequest, HttpResponse } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';

/** A page of any origin may publish and play: what counts is the token, which browsers never add by themselves. */
export const CORS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Location, ETag, Link, X-Roombridge-Secret',
};

export const preflight = (more: Readonly<Record<string, string>>): HttpResponse => ({
  status: 204,
  headers: {
    ...CORS,
    'access-control-allow-methods': 'POST, PATCH, DELETE, OPTIONS',
    'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
    'access-control-max-age': '86400',
    ...more,
  },
});

export const noContent = (): HttpResponse => ({ status: 204, headers: CORS });

/** For what only HTTP knows: a Refusal's reason has no such status. RFC 9457. */
export const problem = (status: number, reason: string, detail: string): HttpResponse => ({
  status,
  headers: { ...CORS, 'content-type': 'application/problem+json' },
  body: JSON.stringify({
    type: `urn:roombridge:problem:${reason}`,
    title: reason.replaceAll('-', ' '),
    status,
    detail,
  }),
});

/** RFC 9725 §4.2: SDP in, SDP out. */
export function expectSdp(r: HttpRequest): HttpResponse | undefined {
  if (mediaType(r) !== 'application/sdp')
    throw refuse('client', 'unsupported-media-type', 'Send the SDP offer as Content-Type: application/sdp.');
  const accepts = (r.headers.accept ?? '*/*').split(',').map(a => a.split(';')[0]!.trim().toLowerCase());
  if (!accepts.some(a => a === '*/*' || a === 'application/*' || a === 'application/sdp'))
    return problem(406, 'not-acceptable', 'The answer is application/sdp; accept it.');
  return undefined;
}

export const mediaType = (r: HttpRequest): string =>
  (r.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();

/** RFC 6750 §2.1. */
export const bearer = (r: HttpRequest): string | undefined =>
  /^bearer +([\w.~+/=-]+)$/i.exec(r.headers.authorization ?? '')?.[1];

/** RFC 9725 §4.6: `Link: <stun:…>; rel="ice-server"`. */
export const links = (iceServers: readonly string[]): Readonly<Record<string, string>> =>
  iceServers.length === 0 ? {} : { link: iceServers.map(s => `<${s}>; rel="ice-server"`).join(', ') };

/** For ladders: with the password a stranger could take the media over. */
export const withoutPassword = (sdp: string): string => sdp.replace(/^(a=ice-pwd:).*$/gm, '$1…');
