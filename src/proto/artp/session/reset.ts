import { createHmac, timingSafeEqual } from 'node:crypto';
import { readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { CONNECTION_BYTES, SHORT_TRAILER_BYTES, writeTrailer } from '../trailer.ts';
import { APP_NAME, SUBTYPE } from './app.ts';

/**
 * RESET: "I know no such session", in the clear, because who says it has no keys any more. Only the process that chose
 * the connection id can: the token is an HMAC of that id under a key of the process, told to the client in HELLO_ACK,
 * under TLS. Ids are never used again, and the token of one is shown only when no session has it.
 * ```
 * |V=2|P=0| subtype 10 | PT = APP = 204 | length = 6 | SSRC 0 | 'aRTP' | token, 16 bytes | trailer, 7 |
 * ```
 */
export const RESET_TOKEN_BYTES = 16;
const RESET_BYTES = 12 + RESET_TOKEN_BYTES;

/** `key`: 32 random bytes of this process; `connection`: the id this process chose. */
export const resetToken = (key: Uint8Array, connection: Uint8Array): Buffer =>
  createHmac('sha256', key)
    .update('roombridge artp 1 reset')
    .update(connection.subarray(0, CONNECTION_BYTES))
    .digest()
    .subarray(0, RESET_TOKEN_BYTES);

/**
 * The whole datagram; undefined when what it answers is no longer than it is: whoever sends from a false address gets
 * less sent there than they spent, and two processes never answer each other.
 */
export function writeReset(token: Uint8Array, answeredBytes: number): Buffer | undefined {
  const length = RESET_BYTES + SHORT_TRAILER_BYTES;
  if (answeredBytes <= length) return undefined;
  const out = Buffer.alloc(length);
  writeRtcp([{ type: 'app', ssrc: 0, subtype: SUBTYPE.reset, name: APP_NAME, data: token }]).copy(out);
  writeTrailer(out, RESET_BYTES, undefined, 0, 0, 0);
  return out;
}

/** Whether `packet`, without its trailer, looks like a RESET: nothing that is sealed is so short. */
export const isReset = (packet: Uint8Array): boolean =>
  packet.length === RESET_BYTES && packet[0] === (0x80 | SUBTYPE.reset) && packet[1] === 204;

/** Whether it shows this token. */
export function showsToken(packet: Uint8Array, token: Uint8Array): boolean {
  const read = readRtcp(packet);
  const app = typeof read === 'string' ? undefined : read[0];
  if (app?.type !== 'app' || app.name !== APP_NAME || app.data.length !== token.length) return false;
  return timingSafeEqual(app.data, token);
}
