import { readRtcp, writeRtcp } from '../rtp/rtcp.ts';
import type { SrtpKeys } from '../rtp/srtp/profile.ts';
import { SrtpReceiver } from '../rtp/srtp/receiver.ts';
import { SrtpSender } from '../rtp/srtp/sender.ts';

/**
 * Does this path carry datagrams, and how long does it take? A challenge is answered with its own token.
 * ```
 * |V=2|P=0| subtype 5 or 6 | PT = APP = 204 | length = 4 |     challenge 5, response 6
 * |                   SSRC = 0                           |
 * |                   'aRTP'                             |
 * |                   token, 8 bytes                     |     sealed as SRTCP
 * ```
 */
export interface PathMessage {
  readonly type: 'challenge' | 'response';
  /** 8 random bytes. */
  readonly token: Uint8Array;
}

export const TOKEN_BYTES = 8;
const SUBTYPE = { challenge: 5, response: 6 } as const;

export class PathSender {
  readonly #srtcp: SrtpSender;
  constructor(keys: SrtpKeys) {
    this.#srtcp = new SrtpSender(keys);
  }

  /** The sealed packet, without trailer. */
  seal(m: PathMessage): Buffer {
    const app = { type: 'app', ssrc: 0, subtype: SUBTYPE[m.type], name: 'aRTP', data: m.token } as const;
    return this.#srtcp.sealRtcp(writeRtcp([app]));
  }
}

export class PathReceiver {
  readonly #srtcp: SrtpReceiver;
  constructor(keys: SrtpKeys) {
    this.#srtcp = new SrtpReceiver(keys, { maxSsrcs: 1 });
  }

  /** The message in a sealed packet without trailer, or why it is junk. Never throws. */
  open(packet: Uint8Array): PathMessage | string {
    const plain = this.#srtcp.openRtcp(packet);
    if (typeof plain === 'string') return plain;
    const read = readRtcp(plain);
    if (typeof read === 'string') return read;
    const app = read[0];
    if (app?.type !== 'app' || app.name !== 'aRTP' || app.data.length !== TOKEN_BYTES)
      return 'not-a-path-message';
    if (app.subtype === SUBTYPE.challenge) return { type: 'challenge', token: app.data };
    if (app.subtype === SUBTYPE.response) return { type: 'response', token: app.data };
    return 'not-a-path-message';
  }
}
