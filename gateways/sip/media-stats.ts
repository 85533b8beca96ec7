import type { AudioCodec, CodecName, StreamStats } from '../../src/contract.ts';
import { quality } from '../../src/media/quality.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';

/** What comes from the phone. */
export function hearing(
  { receiver, sender }: RtpSession,
  codec: CodecName,
  firstPacketMs: number | undefined,
): StreamStats {
  const { packets, bytes, lost } = receiver.totals;
  const { jitterMs } = receiver.reception;
  const { rttMs } = sender.sent;
  return {
    media: 'audio',
    direction: 'in',
    codec,
    how: 'passthrough',
    packets,
    bytes,
    lost,
    jitterMs,
    ...(rttMs !== undefined && { rttMs }),
    ...(packets > 0 && { mos: score(codec, lost / (packets + lost), jitterMs, rttMs) }),
    ...(firstPacketMs !== undefined && { firstPacketMs }),
  };
}

/** What goes to the phone; how it arrives only where the phone reports it. */
export function playing({ sender }: RtpSession, codec: CodecName, how: string): StreamStats {
  const { packets, bytes, lost, jitterMs, rttMs } = sender.sent;
  const reported = packets > 0 && lost !== undefined && jitterMs !== undefined;
  return {
    media: 'audio',
    direction: 'out',
    codec,
    how,
    packets,
    bytes,
    ...(rttMs !== undefined && { rttMs }),
    ...(reported && { lost, jitterMs, mos: score(codec, lost / packets, jitterMs, rttMs) }),
  };
}

const score = (codec: CodecName, loss: number, jitterMs: number, rttMs: number | undefined): number =>
  quality({ codec: codec as AudioCodec, lossPercent: 100 * loss, jitterMs, delayMs: (rttMs ?? 0) / 2 }).mos;
