import { openEncoder, type PcmRate } from '../../codecs/audio.ts';
import { encodeAll, noise } from '../../codecs/testing/sound.ts';
import type { Format, MediaPacket } from '../../src/contract.ts';
import { RoomEgress } from '../../src/egress/room-egress.ts';
import { FakeRoom, OPUS, PCMU, settled } from '../../src/egress/testing/room.ts';
import { type Bench, cpuOf, type Figure } from './measure.ts';
import { rawForwardUs } from './raw.ts';
import { G711_BYTES } from './stream.ts';

const TICK_MS = 20;
const WARM_UP_TICKS = 100;
/** Half a second of sound, repeated. */
const FRAMES = 25;

const ROOMS: readonly { what: string; format: Format; members: number; talkers: number }[] = [
  { what: '10 G.711 phones, all silent', format: PCMU, members: 10, talkers: 0 },
  { what: '10 G.711 phones, three talk', format: PCMU, members: 10, talkers: 3 },
  { what: '10 opus phones, three talk', format: OPUS, members: 10, talkers: 3 },
  { what: '200 G.711 phones, three talk', format: PCMU, members: 200, talkers: 3 },
];

export const mix: Bench = {
  name: 'mix',
  about:
    'CPU of egress for 20 ms of a room, sockets apart; baseline: raw node:dgram forward of a packet a member',
  async run({ note }) {
    const figures: Figure[] = [];
    const perPacketUs = await rawForwardUs(G711_BYTES);
    for (const room of ROOMS) {
      note(room.what);
      const tick = await runningRoom(room);
      for (let i = 0; i < WARM_UP_TICKS; i++) {
        tick();
        await settled(); // encoders are opened between two ticks
      }
      figures.push({
        what: room.what,
        value: cpuOf({ tick }).tick,
        unit: 'µs',
        baseline: room.members * perPacketUs,
      });
    }
    return figures;
  },
};

/** A room in which everyone sends and wants the mix; each call is its next 20 ms. */
async function runningRoom({
  format,
  members,
  talkers,
}: {
  readonly format: Format;
  readonly members: number;
  readonly talkers: number;
}): Promise<() => void> {
  let now = 10_000;
  const room = new FakeRoom();
  const egress = new RoomEgress(room, { clock: { now: () => now, at: () => () => {} } });
  const talking = await frames(format, -26);
  const quiet = await frames(format, -72);
  const ids = Array.from({ length: members }, (_, i) => `member-${i}`);
  for (const id of ids) {
    room.add({ id, format });
    egress.want(
      id,
      { kind: 'mix', codec: format, ptimeMs: TICK_MS },
      () => {},
      () => {},
    );
  }
  await settled();
  const sinks = ids.map(id => [...room.pulls].filter(pull => pull.track === id).map(pull => pull.sink));
  const packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0), level: 127 };
  return () => {
    now += TICK_MS;
    packet.seq++;
    packet.pts += (format.clockRate * TICK_MS) / 1000;
    for (const [i, sink] of sinks.entries()) {
      packet.payload = (i < talkers ? talking : quiet)[packet.seq % FRAMES] as Uint8Array;
      packet.level = i < talkers ? 30 : 80;
      for (const hear of sink) hear(packet, now - 7);
    }
    egress.tick(now);
  };
}

async function frames(format: Format, dBov: number): Promise<Uint8Array[]> {
  const rate: PcmRate = format.codec === 'opus' ? 48000 : 8000;
  const encoder = await openEncoder(format, rate);
  const made = encodeAll(encoder, noise((FRAMES * rate * TICK_MS) / 1000, dBov));
  encoder.close();
  return made;
}
