import type { Feedback } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';

/** RTCP APP `aRTP`: a track shall pause or go on. RTCP knows no such request that one source can be told by. */
const PAUSE_SUBTYPE = 13;

/**
 * What the source of a flow is told: PLI (RFC 4585 §6.3.1), REMB, or
 * ```
 * |V=2|P=0| subtype 13 | PT = APP = 204 | length = 4 | SSRC of sender | 'aRTP' | SSRC of the flow | on 1, off 0 | 0 0 0 |
 * ```
 */
export function feedbackPart(f: Feedback, sender: number, media: number): Rtcp {
  switch (f.type) {
    case 'keyframe':
      return { type: 'pli', sender, media };
    case 'bitrate':
      return { type: 'remb', sender, bps: f.bps, ssrcs: [media] };
    case 'pause': {
      const data = Buffer.alloc(8);
      data.writeUInt32BE(media);
      data[4] = f.on ? 1 : 0;
      return { type: 'app', ssrc: sender, subtype: PAUSE_SUBTYPE, name: 'aRTP', data };
    }
  }
}

/** Undefined: another APP packet. */
export function readPause(
  app: Extract<Rtcp, { type: 'app' }>,
): { readonly ssrc: number; readonly on: boolean } | undefined {
  const { name, subtype, data } = app;
  if (name !== 'aRTP' || subtype !== PAUSE_SUBTYPE || data.length < 8) return undefined;
  const ssrc = Buffer.from(data.buffer, data.byteOffset, data.length).readUInt32BE(0);
  return { ssrc, on: data[4] === 1 };
}
