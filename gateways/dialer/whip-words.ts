import type { Millis } from '../../src/contract.ts';
import type { Refusal } from '../../src/kit/refusal.ts';
import type { Answer } from './http.ts';
import { failed } from './verdict.ts';

/** A status that is no 201, with what problem+json says (RFC 9457). */
export function refusedPost(kind: string, { status, body }: Answer): Refusal {
  let said = '';
  try {
    const { detail, title } = JSON.parse(body) as { detail?: unknown; title?: unknown };
    said = String(detail ?? title ?? '');
  } catch {
    // No JSON: not our server, or something before it.
  }
  const what = `Signalling: the server refused the ${kind} session with ${status}`;
  if (said === '') return failed('signalling', `${what}, and does not say why; is it a Roombridge?`);
  return failed(
    'signalling',
    `${what}: ${said.replace(/\.$/, '')}${status === 401 ? '; give --token' : ''}.`,
  );
}

export const badAnswer = (kind: string, why: string): Refusal =>
  failed('signalling', `Signalling: the server's ${kind} answer cannot be used (${why}).`);

export const noIce = (kind: string, to: string, afterMs: Millis): Refusal =>
  failed(
    'ice',
    `ICE: no check of the ${kind} session to ${to} (udp) was answered in ${afterMs / 1000} s; UDP to the server's WebRTC port is blocked on the way, or its externalAddress is wrong.`,
  );

export const noDtls = (kind: string, to: string, afterMs: Millis): Refusal =>
  failed(
    'dtls',
    `DTLS: the checks to ${to} are answered, but the handshake of the ${kind} session failed or did not finish in ${afterMs / 1000} s; something on the way lets only small packets or STUN pass, or the fingerprints differ.`,
  );

export const endedEarly = (kind: string): Refusal =>
  failed('signalling', `Signalling: the server ended the ${kind} session before its time; see its log.`);

export const pathBroke = (kind: string): Refusal =>
  failed('ice', `ICE: the checks of the ${kind} session are no longer answered; the path broke.`);

export const unfinished = (url: URL, afterMs: Millis): Refusal =>
  failed('transport', `Transport: ${url.host} did not finish its answer in ${afterMs / 1000} s.`);
