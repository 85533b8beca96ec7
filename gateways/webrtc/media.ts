/** What a leg carries, put together: which lines are used, and for what. */
import { randomBytes } from 'node:crypto';
import type { Host, Seat } from '../../src/contract.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import { TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import type { WebRtcOffer } from '../../src/proto/webrtc/offer.ts';
import type { WebRtcConfig } from './config.ts';
import type { LegMedia, MediaEvents, Wire } from './leg-media.ts';
import type { Begin } from './native.ts';
import type { PacketLogs } from './packet-logs.ts';
import { type Plan, pictureWants, playedLines, publishedLines } from './plan.ts';
import { Player } from './player.ts';
import { Playing } from './playing.ts';
import { Publisher } from './publisher.ts';
import { Publishing, partEvents } from './publishing.ts';
import { VideoPlayer } from './video-player.ts';
import { VideoPublisher } from './video-publisher.ts';

export interface MediaAsk {
  readonly host: Host;
  readonly config: WebRtcConfig;
  readonly logs: PacketLogs;
  readonly begin: Begin;
  readonly offer: WebRtcOffer;
  readonly seat: Seat;
  readonly leg: Wire & MediaEvents;
}

/** Rejects with a Refusal when the offer has nothing to use, or a codec for levels is missing here. */
export async function openMedia(ask: MediaAsk): Promise<LegMedia> {
  const { config, offer, begin } = ask;
  const now = ask.host.clock.now();
  const cname = randomBytes(9).toString('base64url'); // RFC 7022 §4.2: short-term, random
  const unixAtZero = Date.now() - now;
  const makeSession = (): RtpSession => new RtpSession({ cname, random: randomBytes, unixAtZero, now });
  const made = { ...ask, now, cname, unixAtZero, makeSession };
  return begin.kind === 'whip'
    ? await publishing(made, publishedLines(offer, config.videoCodecs))
    : playing(made, playedLines(offer, config.videoCodecs, config.maxSlots));
}

interface Making extends MediaAsk {
  readonly now: number;
  readonly cname: string;
  readonly unixAtZero: number;
  readonly makeSession: () => RtpSession;
}

async function publishing(m: Making, { sound, pictures }: Plan): Promise<LegMedia> {
  const { seat, begin, leg, now, cname } = m;
  const [line] = sound;
  const [picture] = pictures;
  const screen = begin.track === 'screen';
  const syncGroup = cname;
  const openSound = async (events: MediaEvents, transportCc: boolean): Promise<LegMedia | undefined> =>
    line &&
    (await Publisher.open({
      seat,
      line,
      source: screen ? 'screen' : 'mic',
      syncGroup,
      transportCc,
      session: m.makeSession(),
      events,
      now,
    }));
  if (picture === undefined) return (await openSound(leg, false))!;
  const ssrc = randomBytes(4).readUInt32BE();
  const transportCcId = picture.line.extensions.get(TRANSPORT_CC);
  const [forPictures, forSound] = partEvents(leg, line ? 2 : 1);
  return new Publishing({
    sound: forSound && (await openSound(forSound, transportCcId !== undefined)),
    pictures: new VideoPublisher({
      ...picture,
      seat,
      source: screen ? 'screen' : 'camera',
      syncGroup,
      ssrc,
      cname,
      events: forPictures!,
      now,
    }),
    picturePayloads: new Set(
      picture.formats.flatMap(f => (f.rtx === undefined ? [f.payloadType] : [f.payloadType, f.rtx])),
    ),
    transportCcId,
    ssrc,
    events: leg,
  });
}

function playing(m: Making, { sound, pictures }: Plan): LegMedia {
  const { seat, begin, leg, logs, now, cname, unixAtZero, makeSession } = m;
  const { member } = begin;
  const lines = member === undefined ? pictures : pictures.slice(0, 2);
  const content = member === undefined && lines.length > 1;
  // Lines of one media stream are played in sync: sound and picture of the same source.
  const synced = sound.length > 0 && (member !== undefined || (sound.length === 1 && lines.length === 1));
  const streamOf = (at: number): string =>
    synced && at === 0 ? 'slot-0' : content && at === lines.length - 1 ? 'content' : `camera-${at}`;
  return new Playing({
    sound:
      sound.length === 0
        ? undefined
        : changed =>
            new Player({ seat, lines: sound, member, cname, makeSession, wire: leg, events: leg, changed }),
    pictures:
      lines.length === 0
        ? undefined
        : changed =>
            new VideoPlayer({
              seat,
              lines,
              wants: pictureWants(lines, member),
              streams: lines.map((_, i) => streamOf(i)),
              cname,
              random: randomBytes,
              unixAtZero,
              logs,
              wire: leg,
              events: leg,
              changed,
              now,
            }),
    content,
    tellsSlots: member === undefined && (sound.length > 1 || lines.length > 0),
    events: leg,
  });
}
