import { type Player, SLOTS } from './player.ts';
import type { Publisher } from './publisher.ts';
import { judge, type Measured, type Quality, worse } from './quality.ts';
import type { Slots } from './signalling.ts';

/** What `getStats` gives of a stream, as far as it is used here. */
interface Stream {
  readonly id: string;
  readonly type: string;
  readonly trackIdentifier?: string;
  readonly packetsLost?: number;
  readonly packetsReceived?: number;
  readonly framesDecoded?: number;
  readonly freezeCount?: number;
  readonly jitter?: number;
  readonly roundTripTime?: number;
  readonly fractionLost?: number;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
}

/** Looks at both connections every few seconds; remembers the counters of the time before. */
export class Stats {
  readonly #before = new Map<string, Stream>();
  #still = new Set<number>();
  #quality = new Map<string, Quality>();

  /** By participant. Who is in no slot has none. */
  get quality(): ReadonlyMap<string, Quality> {
    return this.#quality;
  }

  /** Picture slots nothing came in since the last look. */
  get still(): ReadonlySet<number> {
    return this.#still;
  }

  async look(
    self: string,
    slots: Slots,
    player: Player | undefined,
    publisher: Publisher | undefined,
  ): Promise<void> {
    const [heard, sent] = await Promise.all([streams(player), streams(publisher)]);
    const found = new Map<string, Measured>();
    const still = new Set<number>();
    const rttMs = roundTrip(heard);
    const places = new Map(player?.tracks.map((id, i) => [id, i]));
    for (const stream of heard) {
      if (stream.type !== 'inbound-rtp' || stream.trackIdentifier === undefined) continue;
      const place = places.get(stream.trackIdentifier) ?? -1;
      const name = whoIn(slots, place);
      const before = this.#before.get(stream.id);
      this.#before.set(stream.id, stream);
      if (place >= SLOTS.audio && stream.framesDecoded === before?.framesDecoded)
        still.add(place - SLOTS.audio);
      if (name === undefined || name === null || before === undefined) continue;
      const measured = measuredOf(stream, before);
      if (measured === undefined) continue;
      const all = { ...measured, ...(rttMs !== undefined && { rttMs }) };
      found.set(name, worse(found.get(name) ?? {}, all));
    }
    const upload = uploadOf(sent);
    if (upload !== undefined) found.set(self, upload);
    this.#still = still;
    this.#quality = new Map([...found].map(([name, measured]) => [name, judge(measured)]));
  }
}

/** `place`: of a line in the WHEP session. */
const whoIn = (slots: Slots, place: number): string | null | undefined =>
  place < SLOTS.audio
    ? slots.audio[place]
    : place < SLOTS.audio + SLOTS.video
      ? slots.video[place - SLOTS.audio]
      : slots.content;

async function streams(of: Player | Publisher | undefined): Promise<Stream[]> {
  const all: Stream[] = [];
  (await of?.stats().catch(() => undefined))?.forEach(s => void all.push(s as Stream));
  return all;
}

function measuredOf(now: Stream, before: Stream): Measured | undefined {
  const received = (now.packetsReceived ?? 0) - (before.packetsReceived ?? 0);
  if (received <= 0) return undefined; // it is silent: nothing to judge
  const lost = Math.max(0, (now.packetsLost ?? 0) - (before.packetsLost ?? 0));
  return {
    lossPercent: (100 * lost) / (received + lost),
    jitterMs: 1000 * (now.jitter ?? 0),
    ...(now.freezeCount !== undefined && { freezes: now.freezeCount - (before.freezeCount ?? 0) }),
  };
}

/** As the server reports it by RTCP. */
function uploadOf(sent: readonly Stream[]): Measured | undefined {
  let found: Measured | undefined;
  for (const s of sent)
    if (s.type === 'remote-inbound-rtp')
      found = worse(found ?? {}, {
        lossPercent: 100 * (s.fractionLost ?? 0),
        jitterMs: 1000 * (s.jitter ?? 0),
      });
  const rttMs = roundTrip(sent);
  return found === undefined ? undefined : { ...found, ...(rttMs !== undefined && { rttMs }) };
}

function roundTrip(all: readonly Stream[]): number | undefined {
  const seconds = all.find(s => s.type === 'candidate-pair' && s.nominated)?.currentRoundTripTime;
  return seconds === undefined ? undefined : 1000 * seconds;
}
