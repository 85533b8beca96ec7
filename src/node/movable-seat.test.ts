import { expect, test } from 'vitest';
import { FakeSeat } from '../../test/harness/fakes.ts';
import type { MediaPacket, NewTrack, Termination, TrackEvent } from '../contract.ts';
import { MovableSeat } from './movable-seat.ts';

const MIC: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: false,
  syncGroup: 's',
};
const MIX = { kind: 'mix', codec: MIC.format, ptimeMs: 20 } as const;
const packet = (pts: number): MediaPacket => ({
  seq: pts / 160,
  pts,
  marker: false,
  payload: Buffer.alloc(160),
});

function world() {
  const [lobby, room] = [new FakeSeat('lobby', 'a'), new FakeSeat('1000', 'alice')];
  const said: (string | Termination)[] = [];
  const seat = new MovableSeat(lobby, {
    confirmed: () => said.push('confirmed'),
    left: why => said.push(why),
  });
  return { lobby, room, said, seat };
}

test('what is published goes on in the new room, in the format and state it had', () => {
  const { lobby, room, seat } = world();
  const publication = seat.publish(MIC, () => {});
  const { sink } = publication; // bound once, as a media chain does
  sink(packet(0), 0);
  publication.format({ codec: 'PCMA', clockRate: 8000 });
  publication.pause(true);
  seat.moveTo(room);
  sink(packet(160), 20);
  expect(lobby.publications[0]?.heard.map(p => p.pts)).toEqual([0]);
  expect(room.publications[0]).toMatchObject({
    track: { format: { codec: 'PCMA' } },
    paused: true,
    heard: [{ pts: 160 }],
  });
  publication.close();
  seat.moveTo(new FakeSeat('other'));
  expect(room.publications[0]?.closed).toBe(true);
});

test('what is wanted is wanted again, as it was last asked for; the old room says nothing more', () => {
  const { lobby, room, seat } = world();
  const events: TrackEvent[] = [];
  const subscription = seat.want(
    MIX,
    () => {},
    e => events.push(e),
  );
  subscription.update({ ...MIX, ptimeMs: 40 });
  seat.moveTo(room);
  expect(lobby.subscriptions[0]?.closed).toBe(true);
  expect(room.subscriptions[0]?.want).toEqual({ ...MIX, ptimeMs: 40 });
  room.subscriptions[0]?.on({ type: 'idle' });
  expect(events).toEqual([{ type: 'idle' }]);
  subscription.feedback({ type: 'keyframe' });
  expect(room.subscriptions[0]?.asked).toEqual([{ type: 'keyframe' }]);
  subscription.close();
  expect(room.subscriptions[0]?.closed).toBe(true);
});

test('is confirmed and left once, there where it sits', () => {
  const { lobby, room, said, seat } = world();
  const why = { blame: 'none', reason: 'hung-up' } as const;
  seat.confirmed();
  seat.confirmed();
  seat.moveTo(room);
  expect([seat.room, seat.participant]).toEqual(['1000', 'alice']);
  expect([lobby.left?.reason, room.isConfirmed, room.left]).toEqual(['moved', true, undefined]);
  seat.leave(why);
  seat.leave(why);
  expect(room.left).toEqual(why);
  expect(said).toEqual(['confirmed', why]);
});

test('is as absent in the new room as it was in the old one', () => {
  const { lobby, room, seat } = world();
  seat.absent(true);
  seat.moveTo(room);
  expect([lobby.isAbsent, room.isAbsent]).toEqual([true, true]);
  seat.absent(false);
  expect(room.isAbsent).toBe(false);
});

test('a seat that comes too late is given back', () => {
  const { room, seat } = world();
  seat.leave({ blame: 'none', reason: 'hung-up' });
  seat.moveTo(room);
  expect(room.left?.reason).toBe('moved');
});

test('the capture clock of what is published goes along', () => {
  const { room, seat } = world();
  const told: number[][] = [];
  const publish = room.publish.bind(room);
  room.publish = (...args) => ({
    ...publish(...args),
    clock: (pts, captureMs) => void told.push([pts, captureMs]),
  });
  const publication = seat.publish(MIC, () => {});
  publication.clock(160, 20);
  publication.clock(8160, 1020);
  seat.moveTo(room);
  expect(told).toEqual([[8160, 1020]]);
});

test('who watches twice by one function has two watches, each with its own end', () => {
  const { lobby, room, seat } = world();
  const watching = { lobby: 0, room: 0 };
  for (const [name, fake] of [
    ['lobby', lobby],
    ['room', room],
  ] as const)
    fake.watch = () => {
      watching[name]++;
      return () => void watching[name]--;
    };
  const on = (): void => {};
  const undo = [seat.watch(on), seat.watch(on)];
  seat.moveTo(room);
  expect(watching.room).toBe(2);
  for (const stop of undo) stop();
  expect(watching.room).toBe(0);
});
