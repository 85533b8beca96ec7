import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../codecs/h264/nal.ts';
import type { PatternPicture } from '../../codecs/video/studio/wire.ts';
import type { Clock } from '../../src/contract.ts';
import {
  aacConfigTag,
  aacFrameTag,
  avcConfigTag,
  avcFrameTag,
  METADATA_AAC,
  METADATA_AVC,
  type Parts,
} from '../../src/proto/rtmp/flv.ts';
import type { Camera } from './camera.ts';
import type { RtmpStream } from './rtmp-stream.ts';
import { Talker } from './talker.ts';
import type { Tone } from './tone.ts';

/** Nobody can ask an RTMP publisher for a keyframe: they come by themselves, as often as from a mini-program. */
const KEYFRAME_EVERY_MS = 3000;

/** Sends tone and picture until the undo is called. `sent` hears of every tag with media in it. */
export function publish(
  stream: Pick<RtmpStream, 'send'>,
  sound: Tone,
  clock: Clock,
  picture: { readonly camera: Camera; readonly width: number; readonly height: number } | undefined,
  sent: (media: 'audio' | 'video') => void = () => {},
): () => void {
  const send = (media: 'audio' | 'video', timestampMs: number, parts: Parts): void => {
    stream.send({ type: 'media', media, timestampMs: Math.round(timestampMs), parts });
    sent(media);
  };
  stream.send({
    type: 'metadata',
    values: {
      ...(picture && { width: picture.width, height: picture.height, videocodecid: METADATA_AVC }),
      audiocodecid: METADATA_AAC,
      audiosamplerate: 48_000,
    },
  });
  stream.send({
    type: 'media',
    media: 'audio',
    timestampMs: 0,
    parts: aacConfigTag(Buffer.from(sound.format.fmtp?.config ?? '', 'hex')),
  });
  let keyPts = 0;
  picture?.camera.show(clock, p => {
    if (p.pts - keyPts >= KEYFRAME_EVERY_MS * 90) {
      keyPts = p.pts;
      picture.camera.requestKey();
    }
    tags(p, (at, parts) => send('video', at, parts));
  });
  const talker = new Talker(sound, clock, p => send('audio', p.pts / 48, aacFrameTag(p.payload)));
  return () => talker.stop();
}

/** Parameter sets go ahead of each keyframe, in a record of their own. */
function tags({ units, pts, key }: PatternPicture, send: (atMs: number, parts: Parts) => void): void {
  const of = (type: number): Uint8Array[] => units.filter(u => nalType(u) === type);
  const sps = of(NalType.sps);
  if (sps.length > 0) send(pts / 90, avcConfigTag(writeAvcc(sps, of(NalType.pps))));
  send(
    pts / 90,
    avcFrameTag(
      key,
      0,
      units.filter(u => !isParameterSet(u)),
    ),
  );
}
