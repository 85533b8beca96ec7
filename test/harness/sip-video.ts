/** The same with pictures: a phone of two pairs of sockets, and H.264 as phones send it. */
import type { SipConfig } from '../../gateways/sip/config.ts';
import type { FrameMark, MediaPacket } from '../../src/contract.ts';
import { type Call, descriptionOf, onEnd, PlainPhone, request, setUp } from './sip-agent.ts';

/** A phone's other pair of sockets, as lines of its description; `more`: of the section. */
export const videoLines = (of: PlainPhone, fmtp: string, ...more: string[]): string[] => [
  `m=video ${of.port} RTP/AVP 97`,
  `a=rtcp:${of.rtcp.address().port}`,
  'a=rtpmap:97 H264/90000',
  `a=fmtp:97 ${fmtp}`,
  ...more,
];

export const hex = (text: string): Buffer => Buffer.from(text, 'hex');
/** Baseline, 640×360. */
export const SPS = hex('6742c016d900a02ff970110000030001000003000a0f162e48');
export const PPS = hex('68cb83cb20');
export const IDR = hex('65888400aabbcc');
export const SLICE = hex('419a0102030405');
export const BASELINE = 'profile-level-id=42801f;packetization-mode=1';
export interface VideoCall extends Call {
  camera: PlainPhone;
  /** Where its pictures go. */
  to: number;
}

/** A call with a camera; `lines`: more of its section. */
export async function videoCall(
  lines: readonly string[] = [],
  o: Partial<SipConfig> = {},
  fmtp = BASELINE,
): Promise<VideoCall> {
  const s = await setUp(o);
  const camera = await new PlainPhone().open();
  onEnd(() => camera.close());
  const native = s.phone.sdp(videoLines(camera, fmtp, ...lines));
  const leg = await s.agent.take(request({ type: 'offer', native }), s.seat, s.events.emit);
  const local = descriptionOf(s.events, 0);
  return { ...s, leg, local, camera, to: local.sections[1]!.port };
}

/** A keyframe as phones send it, one unit a packet. */
export function sayKey({ camera, to }: VideoCall, timestamp: number): void {
  camera.say(to, SPS, { pt: 97, timestamp });
  camera.say(to, PPS, { pt: 97, timestamp });
  camera.say(to, IDR, { pt: 97, timestamp, marker: true });
}

export const mark = (m: Partial<FrameMark> = {}): FrameMark => ({
  start: true,
  end: true,
  key: false,
  config: false,
  temporal: 0,
  ...m,
});
export const shown = (seq: number, text: string, frame = mark()): MediaPacket => ({
  seq,
  pts: seq * 3000,
  marker: frame.end,
  payload: Buffer.from(text),
  frame,
});
