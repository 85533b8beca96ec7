import { beforeEach, expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import type { NewTrack } from '../contract.ts';
import { Bans } from '../room/bans.ts';
import type { LegNotice } from '../room/port.ts';
import { LocalRoom } from './local-room.ts';

const MIC: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: false,
  syncGroup: 's',
};
const HUNG_UP = { blame: 'none', reason: 'hung-up' } as const;

let room: LocalRoom;
let ended = 0;
beforeEach(() => {
  ended = 0;
  let secrets = 0;
  room = new LocalRoom({
    id: '1000',
    settings: { maxParticipants: 10, locked: false, layout: 'speaker' },
    times: { sessionKeepMs: 120_000, banMs: 60_000 },
    bans: new Bans(),
    clock: new VirtualClock(1000),
    secret: () => `secret-${++secrets}`,
    onEnded: () => void ended++,
    onEvent: () => {},
  });
});

const join = async (leg: string, credential?: string) => {
  const told: LegNotice[] = [];
  const who = { user: 'ann', proof: 'claimed', ...(credential && { credential }) } as const;
  const joined = await room.join({ leg, gateway: 'test', who, roles: ['send'] }, n => void told.push(n));
  room.confirmed(leg);
  return { told, secret: joined.secret, id: joined.participant };
};

it('a leg that comes again by another link is one leg, and is heard by that link alone', async () => {
  const before = await join('a');
  room.publish('a', 'a/0', MIC, () => {});
  const after = await join('a', before.secret);
  expect(after.id).toBe('ann');
  // So that the old link, when it is noticed to be dead, does not make the leg leave.
  expect(before.told).toMatchObject([{ type: 'close', why: { reason: 'linked-again' } }]);
  const heard: number[] = [];
  const publication = room.publish('a', 'a/0', MIC, () => {});
  room.pull(
    'a/0',
    p => void heard.push(p.pts),
    () => {},
  );
  publication.sink({ seq: 0, pts: 160, marker: false, payload: Buffer.alloc(1) }, 1000);
  expect([heard, [...room.tracks()].length, after.told]).toEqual([[160], 1, []]);
});

it('a leg that comes when the room has just ended is told to come again', async () => {
  await join('a');
  room.leave('a', HUNG_UP);
  expect(ended).toBe(1);
  await expect(join('b')).rejects.toMatchObject({ why: { reason: 'room-ended' } });
});

it('what a leg publishes that has left goes nowhere', async () => {
  await join('a');
  await join('b');
  room.leave('a', HUNG_UP);
  room
    .publish('a', 'a/0', MIC, () => {})
    .sink({ seq: 0, pts: 0, marker: false, payload: Buffer.alloc(1) }, 1000);
  expect([...room.tracks()]).toEqual([]);
});
