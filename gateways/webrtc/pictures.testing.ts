import { type Rtcp, readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { RID, TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import { readOffer } from '../../src/proto/webrtc/offer.ts';
import { makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { FakeSeat } from '../../test/harness/fakes.ts';
import type { LegMedia, MediaEvents } from './leg-media.ts';
import { publishedLines } from './plan.ts';
import { VideoPublisher } from './video-publisher.ts';

/** A publisher of pictures, its seat, and what it told. */
export interface Opened {
  readonly publisher: VideoPublisher;
  readonly seat: FakeSeat;
  readonly told: string[];
  readonly events: MediaEvents;
}

const codecs = ['96 VP8/90000', '97 rtx/90000', '102 H264/90000'];
const more = [
  'a=fmtp:97 apt=96',
  'a=fmtp:102 packetization-mode=1;profile-level-id=42e01f',
  'a=rtcp-fb:96 nack',
  'a=rtcp-fb:96 nack pli',
  `a=extmap:10 ${RID}`,
  `a=extmap:3 ${TRANSPORT_CC}`,
];
export const simulcast = ['a=rid:h send', 'a=rid:l send', 'a=simulcast:send h;l'];

export function openPictures(o: { extra?: string[]; plain?: boolean } = {}): Opened {
  const seat = new FakeSeat();
  const told: string[] = [];
  const events: MediaEvents = {
    state: s => void told.push(s),
    note: () => {},
    count: reason => void told.push(`count ${reason}`),
    slots: () => {},
    due: () => void told.push('due'),
    failed: error => {
      throw error;
    },
  };
  const line = { kind: 'video', codecs, more: o.plain ? [] : [...more, ...(o.extra ?? [])] };
  const publisher = new VideoPublisher({
    ...publishedLines(readOffer(makeOffer([line])), ['VP8', 'H264']).pictures[0]!,
    seat,
    source: 'camera',
    syncGroup: 'g',
    ssrc: 9,
    cname: 'c',
    events,
    now: 0,
  });
  publisher.start(0);
  return { publisher, seat, told, events };
}

/** A VP8 picture in one packet: a keyframe of this width (480 high), or one that is none. */
export const vp8 = (wide: number | undefined): Buffer =>
  wide === undefined
    ? Buffer.from('10110000aabb', 'hex')
    : Buffer.from([0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, wide & 255, wide >> 8, 0xe0, 0x01, 1, 2]);

export function rtp(
  ssrc: number,
  seq: number,
  payload: Buffer,
  o: { rid?: string; pt?: number; ts?: number; number?: number } = {},
): Buffer {
  const elements = Buffer.concat([
    o.rid ? Buffer.concat([Buffer.from([0xa0 | (o.rid.length - 1)]), Buffer.from(o.rid)]) : Buffer.alloc(0),
    o.number === undefined ? Buffer.alloc(0) : Buffer.from([0x31, o.number >> 8, o.number & 255]),
  ]);
  const words = (elements.length + 3) >> 2;
  const head = Buffer.alloc(RTP_HEADER_BYTES + (words > 0 ? 4 + words * 4 : 0));
  writeRtpHeader(head, o.pt ?? 96, true, seq, o.ts ?? seq * 3000, ssrc);
  if (words > 0) {
    head[0]! |= 0x10;
    head.writeUInt16BE(0xbede, 12);
    head.writeUInt16BE(words, 14);
    elements.copy(head, 16);
  }
  return Buffer.concat([head, payload]);
}
/** Runs its clock from `from` to `to`; what it asks of the browser. */
export function asks(media: LegMedia, from: number, to: number): Rtcp[] {
  const all: Rtcp[] = [];
  for (let now = from; now <= to; now += 10)
    if (now >= media.deadline) for (const b of media.tick(now)) all.push(...(readRtcp(b) as Rtcp[]));
  return all;
}
export const typesOf = (packets: readonly Rtcp[]): string[] =>
  packets.filter(p => p.type !== 'rr' && p.type !== 'sdes').map(p => p.type);
