import { randomBytes } from 'node:crypto';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../codecs/h264/nal.ts';
import type { PatternPicture } from '../../codecs/video/pattern.ts';
import { drive } from '../../src/io/drive.ts';
import { connectTcp } from '../../src/io/tcp.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { type ClientInput, type ClientOutput, ClientSession } from '../../src/proto/rtmp/client-session.ts';
import {
  aacConfigTag,
  aacFrameTag,
  avcConfigTag,
  avcFrameTag,
  type Parts,
} from '../../src/proto/rtmp/flv.ts';
import type { DemoMember, DemoPart } from './demo-member.ts';
import { DemoPicture } from './demo-picture.ts';
import { openPart } from './demo-sounds.ts';
import { Talker } from './talker.ts';

const LIMITS = { maxQueueBytes: 4 * 1024 * 1024, lingerMs: 500 };
const START_MS = 10_000;

/** A mini-program's push: RTMP with AAC and H.264. Rejects with a Refusal when the server does not take it. */
export async function publishAsMiniProgram(o: DemoPart): Promise<DemoMember> {
  const { place, user, clock } = o;
  const closers: (() => void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) end();
  };
  try {
    // Whatever cannot be coded here is said before anybody is called.
    const sound = await openPart(o.part, { codec: 'AAC', clockRate: 48_000, channels: 1 });
    const picture = await DemoPicture.open(o.picture, o.say);
    if (picture) closers.push(() => picture.close());
    const token = await place.token?.(user);
    const stream = await openStream(o, token);
    closers.push(() => stream.close());
    const send = (media: 'audio' | 'video', timestampMs: number, parts: Parts): void =>
      stream.send({ type: 'media', media, timestampMs: Math.round(timestampMs), parts });
    const { width, height } = o.picture;
    stream.send({
      type: 'metadata',
      values: {
        ...(picture && { width, height, videocodecid: 7 }),
        audiocodecid: 10,
        audiosamplerate: 48_000,
      },
    });
    send('audio', 0, aacConfigTag(Buffer.from(sound.format.fmtp?.config ?? '', 'hex')));
    picture?.show(clock, p => tags(p, (at, parts) => send('video', at, parts)));
    const talker = new Talker(sound, clock, p => send('audio', p.pts / 48, aacFrameTag(p.payload)));
    closers.push(() => talker.stop());
    return { gone: stream.gone, close };
  } catch (error) {
    await close();
    throw error;
  }
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

interface Stream {
  readonly gone: Promise<string>;
  send(input: ClientInput): void;
  close(): void;
}

/** Connects and publishes; resolves when the server wants to have the media. */
async function openStream({ place, user, clock }: DemoPart, token: string | undefined): Promise<Stream> {
  const { host, port } = place.rtmp;
  const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
  const session = new ClientSession({
    random: randomBytes,
    mode: 'publish',
    app: 'room',
    name: `${encodeURIComponent(place.room)}/${encodeURIComponent(user)}${query}`,
    tcUrl: `rtmp://${host}:${port}/room`,
    chunkSize: 4096,
    timeoutMs: START_MS,
  });
  let over = (_why: string): void => {};
  const gone = new Promise<string>(done => (over = done));
  let ready = (): void => {};
  let refused = (_why: unknown): void => {};
  const started = new Promise<void>((done, fail) => {
    ready = done;
    refused = fail;
  });
  const tcp = await connectTcp(host, port, LIMITS, clock, {
    data: bytes => driving.feed({ type: 'bytes', bytes }),
    closed(error) {
      driving.stop();
      const why = error ?? 'The RTMP connection was closed.';
      refused(refuse('upstream', 'connection-lost', why));
      over(why);
    },
  });
  const driving = drive<ClientInput, ClientOutput>(session, clock, out => {
    if (out.type === 'write') tcp.write(out.bytes);
    else if (out.type === 'ready') ready();
    else if (out.type === 'end') {
      refused(refuse('upstream', out.why.reason, out.why.text ?? out.why.reason));
      over(out.why.text ?? out.why.reason);
      tcp.end();
    }
  });
  driving.feed({ type: 'start' });
  await started;
  return { gone, send: input => driving.feed(input), close: () => driving.feed({ type: 'stop' }) };
}
