import { randomBytes } from 'node:crypto';
import type { Format, LegRequest, MediaPacket, NewTrack } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { LocalRoom } from '../../src/node/local-room.ts';
import { Seats } from '../../src/node/seats.ts';
import { Ticker } from '../../src/node/ticker.ts';
import { Bans } from '../../src/room/bans.ts';
import { silentLog } from '../harness/fakes.ts';
import { type Bench, CALLS, cpuOf } from './measure.ts';

const format: Format = { codec: 'PCMU', clockRate: 8000 };
const mic: NewTrack = { source: 'mic', format, canKeyframe: false, syncGroup: 's' };

export const seats: Bench = {
  name: 'seats',
  about: 'CPU of one packet into a room of this process by a seat; baseline: a plain call of that room',
  async run() {
    const room = new LocalRoom({
      id: '1000',
      settings: { maxParticipants: 10, locked: false, layout: 'speaker' },
      times: { sessionKeepMs: 0, banMs: 0 },
      bans: new Bans(),
      clock: systemClock,
      secret: () => randomBytes(16).toString('base64url'),
      onEnded() {},
      onEvent() {},
    });
    const fail = (why: unknown): never => {
      throw new Error(String(why));
    };
    const ticker = new Ticker(systemClock, fail);
    const taken = new Seats({
      clock: systemClock,
      ticker,
      log: silentLog,
      count: fail,
      find: async () => room,
    });
    const request: LegRequest = {
      v: 1,
      leg: 'seated',
      trace: 'seated',
      gateway: 'sip',
      direction: 'in',
      who: { user: 'seated', proof: 'claimed' },
      room: '1000',
      roles: ['send'],
      begin: { type: 'make-offer' },
    };
    const { seat } = await taken.take(request, () => {});
    const who = { user: 'direct', proof: 'claimed' } as const;
    await room.join({ leg: 'direct', gateway: 'sip', who, roles: ['send'] }, () => {});
    seat.confirmed();
    room.confirmed('direct');
    const bySeat = seat.publish(mic, () => {});
    const byCall = room.publish('direct', 'direct/0', mic, () => {});
    const heard = new Map<string, number>();
    for (const { info } of room.tracks())
      room.pull(
        info.id,
        () => void heard.set(info.id, (heard.get(info.id) ?? 0) + 1),
        () => {},
      );
    const packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: Buffer.alloc(160), level: 100 };
    const next = (): void => {
      packet.seq++;
      packet.pts += 160;
    };
    const cost = cpuOf({
      seat: () => {
        next();
        bySeat.sink(packet, packet.seq);
      },
      call: () => {
        next();
        byCall.sink(packet, packet.seq);
      },
    });
    seat.leave({ blame: 'none', reason: 'done' });
    room.leave('direct', { blame: 'none', reason: 'done' });
    if (heard.size !== 2 || [...heard.values()].some(n => n !== CALLS))
      fail(`of ${CALLS} packets each were heard ${[...heard.values()]}`);
    return [{ what: 'a packet of sound, one listener', value: cost.seat, unit: 'µs', baseline: cost.call }];
  },
};
