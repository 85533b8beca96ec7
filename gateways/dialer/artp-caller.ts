import { randomBytes } from 'node:crypto';
import type {
  Clock,
  Feedback,
  Format,
  MediaPacket,
  Millis,
  NewTrack,
  Sink,
  Termination,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { RtpSender } from '../../src/proto/rtp/sender.ts';
import type { Ask } from './ask.ts';
import { Ear } from './ear.ts';
import { Eye } from './eye.ts';
import type { Outward } from './facts.ts';
import { OwnPicture } from './own-picture.ts';
import { resolve } from './reach.ts';
import { into, talk } from './talk.ts';
import { type ArtpTarget, isThisMachine } from './target.ts';
import { openTone } from './tone.ts';
import type { Trip } from './trip.ts';
import { failed } from './verdict.ts';

/** What this caller needs of the client library of native members. */
export type NativeJoin = (o: {
  readonly url: string;
  readonly user: string;
  readonly token?: string;
  readonly insecure: boolean;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}) => Promise<Joined>;

interface Joined {
  readonly way: string;
  readonly suite: string;
  readonly mediaTo: string;
  readonly taken: string | undefined;
  readonly member: {
    readonly ended: Promise<Termination>;
    publish(track: NewTrack, on: (f: Feedback) => void): Published;
    want(want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Wanted;
    paths(): readonly Path[];
    leave(): Promise<void>;
  };
}
interface Published {
  readonly sink: Sink<MediaPacket>;
  readonly heard: { readonly packets: number; readonly lost: number; readonly jitterMs: number } | undefined;
}
interface Wanted {
  feedback(f: Feedback): void;
}
interface Path {
  readonly route: { readonly kind: 'udp' | 'stream' };
  readonly active: boolean;
  readonly rttMs: number | undefined;
}

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const H264: Format = { codec: 'H264', clockRate: 90_000, fmtp: { 'packetization-mode': '1' } };
const VP8: Format = { codec: 'VP8', clockRate: 90_000 };
const PTIME_MS = 20;
const MAX_PICTURE_BPS = 2_500_000;
const JOIN_MS = 20_000;
const LOOK_MS = 250;
/** Our own, for the RTP that ear and eye read: the session's own headers do not leave it. */
const PAYLOAD_TYPES = { opus: 111, H264: 102, VP8: 96 } as const;
/** −20 dBFS of a sine's peak is −23 dBov (RFC 6464). */
const TONE_LEVEL = 23;
const MAX_PACKET_BYTES = 1500;
const SYNC_GROUP = 'dialer';

/** Joins as a native member, publishes, and hears and sees the room. Rejects with the hop that failed. */
export async function callArtp(
  target: ArtpTarget,
  ask: Ask,
  trip: Trip,
  join: NativeJoin | undefined,
): Promise<void> {
  if (join === undefined)
    throw failed('transport', 'Transport: this build has no client for artp: addresses.');
  const tone = await openTone(OPUS, ask.toneHz);
  const { clock, studio } = trip;
  const ear = await Ear.open(new RtpReceiver(), [OPUS], ask.expectHz);
  ear.expect(new Map([[PAYLOAD_TYPES.opus, OPUS]]));
  trip.ear = ear;
  const closers: (() => unknown)[] = [() => ear.close()];
  const note = (text: string): void => trip.note(text);
  try {
    const own = studio && new OwnPicture(studio, target.user, note);
    if (own) closers.push(() => own.camera.close());
    trip.begin();
    const { member, ...how } = await joined(target, ask, trip, join);
    closers.push(() => member.leave());
    trip.mediaTo = how.mediaTo;
    const gone = member.ended.then(why =>
      Promise.reject(
        failed(
          'signalling',
          `Signalling: the server ended the membership: ${(why.text ?? why.reason).replace(/\.$/, '')}.`,
        ),
      ),
    );
    gone.catch(() => {}); // it may come when nobody waits
    const mic = member.publish(track('mic', OPUS), () => {});
    member.want(
      { kind: 'mix', codec: OPUS, ptimeMs: PTIME_MS },
      rtp(OPUS, (b, now) => ear.rtp(b, now)),
      e => (e.type === 'unserved' ? note(`no sound: ${e.why.text ?? e.why.reason}`) : undefined),
    );
    const camera =
      own && member.publish(track('camera', H264), f => f.type === 'keyframe' && own.requestKey());
    if (studio) closers.push(look(member, trip));
    if (own && camera) {
      trip.own = own;
      own.camera.send(clock, (packet, now) => {
        camera.sink(packet, now);
        own.packets++;
        if (packet.marker) own.pictures++;
      });
    }
    const sink: Sink<MediaPacket> = (packet, now) => {
      packet.level = TONE_LEVEL;
      mic.sink(packet, now);
      trip.out.packets++;
    };
    const speak = (c: Clock): (() => void) => {
      const silence = into(tone, sink)(c);
      const words = new Set<object>();
      const forget = watch(c, () => {
        told(mic, trip.out, words);
        if (camera && own) told(camera, own, words);
        measure(member.paths(), trip);
      });
      return () => {
        silence();
        forget();
      };
    };
    await talk(trip, ask, OPUS.codec, speak, gone);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function joined(target: ArtpTarget, ask: Ask, trip: Trip, join: NativeJoin): Promise<Joined> {
  const addresses = await resolve(target.host, trip);
  const local = addresses.every(a => isThisMachine(a.address));
  const stop = new AbortController();
  const joining = join({
    url: target.url,
    user: target.user,
    ...(ask.token !== undefined && { token: ask.token }),
    insecure: local || ask.insecure,
    signal: stop.signal,
    say: text => trip.say(text),
  });
  try {
    const made = await trip.within(joining, JOIN_MS, () =>
      failed('transport', `Transport: ${target.host} did not let us in within ${JOIN_MS / 1000} s.`),
    );
    trip.step('HELLO_ACK', `${made.way}, ${made.suite}`);
    if (made.taken !== undefined)
      trip.note(
        `the certificate is ${made.taken}; taken because ${local ? 'the server is this machine' : 'of --insecure'}`,
      );
    return made;
  } catch (error) {
    stop.abort();
    joining.then(
      late => late.member.leave(),
      () => {},
    );
    throw hopOf(error, target);
  }
}

const ON_THE_WAY = new Set(['connect-failed', 'connection-lost', 'no-answer', 'bad-certificate']);

function hopOf(error: unknown, { host, port }: ArtpTarget): unknown {
  if (!(error instanceof Refusal) || (error.why.blame === 'upstream' && !ON_THE_WAY.has(error.why.reason)))
    return error;
  const { reason, text } = error.why;
  return ON_THE_WAY.has(reason)
    ? failed('transport', `Transport: ${host} port ${port} (aRTP) cannot be joined: ${text ?? reason}`)
    : failed('signalling', `Signalling: the server refused with ${reason}: ${text ?? 'it does not say why'}`);
}

const track = (source: NewTrack['source'], format: Format): NewTrack => ({
  source,
  format,
  canKeyframe: source !== 'mic',
  syncGroup: SYNC_GROUP,
});

/** Looks at the picture of the room. Returns its end. */
function look(member: Joined['member'], trip: Trip): () => void {
  const { studio, clock } = trip;
  if (studio === undefined) return () => {};
  const needKey = (): void => wanted?.feedback({ type: 'keyframe' });
  const eye = new Eye({ studio, clock, note: text => trip.note(text), needKey });
  eye.expect(
    new Map([
      [PAYLOAD_TYPES.H264, H264],
      [PAYLOAD_TYPES.VP8, VP8],
    ]),
  );
  trip.eye = eye;
  const lines = new Map([H264, VP8].map(f => [f.codec, rtp(f, (b, now) => eye.rtp(b, now))]));
  let line = lines.get('H264');
  const wanted: Wanted | undefined = member.want(
    { kind: 'picture', source: 'speaker', accept: [H264, VP8], maxBps: MAX_PICTURE_BPS },
    (packet, now) => line?.(packet, now),
    e => {
      if (e.type === 'serving') line = lines.get(e.format.codec as 'H264');
      if (e.type === 'unserved') trip.note(`no picture: ${e.why.text ?? e.why.reason}`);
    },
  );
  return () => eye.close();
}

/** Packets of a track as RTP, for what reads RTP. */
export function rtp(format: Format, to: (bytes: Uint8Array, now: Millis) => void): Sink<MediaPacket> {
  const sender = new RtpSender(randomBytes, 0);
  sender.format(PAYLOAD_TYPES[format.codec as keyof typeof PAYLOAD_TYPES], format.clockRate);
  return (packet, now) => {
    const bytes = Buffer.allocUnsafe(MAX_PACKET_BYTES); // a picture is put together of several
    const length = sender.write(packet, bytes, now);
    if (length > 0) to(bytes.subarray(0, length), now);
  };
}

/** What the server says came of a track. */
function told({ heard }: Published, out: Outward, before: Set<object>): void {
  if (heard === undefined || before.has(heard)) return;
  before.add(heard);
  out.reports++;
  if (heard.packets === 0) return;
  out.reported = true;
  out.lossPercent = (100 * Math.max(0, heard.lost)) / Math.max(1, heard.packets + heard.lost);
  out.jitterMs = heard.jitterMs;
}

function measure(paths: readonly Path[], trip: Trip): void {
  const active = paths.find(p => p.active);
  if (active?.rttMs !== undefined) trip.out.rttMs = active.rttMs;
  if (active?.route.kind === 'stream')
    trip.note('UDP does not pass: media goes by the TLS stream, where losses become delays');
}

function watch(clock: Clock, run: () => void): () => void {
  let disarm = (): void => {};
  const again = (): void => {
    run();
    disarm = clock.at(clock.now() + LOOK_MS, again);
  };
  again();
  return () => disarm();
}
