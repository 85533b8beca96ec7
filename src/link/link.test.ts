import { describe, expect, it } from 'vitest';
import { copyPacket, FakeRoom, roomLocked } from '../../test/harness/fake-room.ts';
import { until } from '../../test/harness/link.ts';
import type { MediaPacket, RoomEvent } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { SourceEvent } from '../media/room-source.ts';
import type { LegNotice, RoomPort } from '../room/port.ts';
import {
  asking,
  audio,
  camera,
  h264,
  leaving,
  mic,
  pcma,
  refusal,
  state,
  video,
  world,
} from './link.testing.ts';

describe('through the link as without it', () => {
  /** What a gateway does in a call, and how the room answers; returns all that this side was told. */
  async function call(port: RoomPort, room: FakeRoom): Promise<unknown[]> {
    const told: unknown[] = [];
    const say = (kind: string) => (what: LegNotice | SourceEvent | RoomEvent | object) =>
      void told.push([kind, JSON.parse(JSON.stringify(what))]);
    const sees = (n: number): Promise<void> => until(() => told.length >= n);

    room.known.set('bob/0', state('bob/0'));
    room.loudest = ['bob'];
    const stopListening = port.on(say('source'));
    const joined = await port.join(asking('l1'), say('notice'));
    const first = [...port.tracks()].map(t => t.info.id);
    told.length = 0; // over a link the snapshot comes as events
    told.push(['joined', joined], ['tracks', first], ['speakers', port.speakers()]);

    const stopWatching = port.watch(say('watch'));
    await sees(4);
    const sound = port.publish('l1', 'l1/0', mic, say('feedback'));
    const picture = port.publish('l1', 'l1/1', camera, say('feedback'));
    port.confirmed('l1');
    for (let i = 0; i < 20; i++) {
      sound.sink(audio(i), 0);
      picture.sink(video(i), 0);
    }
    await until(() => room.packets.get('l1/1')?.length === 20 && room.packets.get('l1/0')?.length === 20);
    sound.clock(960, 1234.5);
    sound.pause(true);
    sound.pause(false);
    sound.format(pcma);
    sound.sink(audio(20), 0);
    await until(() => room.packets.get('l1/0')?.length === 21);
    room.ask.get('l1/1')?.({ type: 'keyframe' });
    room.ask.get('l1/1')?.({ type: 'bitrate', bps: 300_000 });
    await sees(6);

    const heard: MediaPacket[] = [];
    const pull = port.pull(
      'bob/0',
      p => void heard.push(copyPacket(p)),
      (pts, captureMs) => say('clock')({ pts, captureMs }),
    );
    pull.feedback({ type: 'keyframe' });
    await until(() => room.calls.some(c => c.startsWith('pull-feedback')));
    room.clock('bob/0', 48_000, 1_700_000_000_000.25);
    await sees(7);
    for (let i = 0; i < 10; i++) room.play('bob/0', audio(i));
    await until(() => heard.length === 10);
    room.track(state('bob/0', pcma));
    room.play('bob/0', audio(100));
    await until(() => heard.length === 11);
    told.push(['heard', heard]);
    pull.close();
    await until(() => room.calls.includes('unpull bob/0'));

    room.track(state('carol/0', h264, { paused: true, visible: false }));
    room.source({ type: 'speakers', participants: ['carol', 'bob'] });
    room.source({ type: 'layout', layout: 'grid' });
    room.untrack('bob/0');
    room.event({ type: 'text', from: 'bob', text: 'hello' });
    room.event({ type: 'left', participant: 'bob', why: { blame: 'none', reason: 'left' } });
    room.notify.get('l1')?.({ type: 'mute', media: 'audio', on: true });
    await sees(15);
    picture.close();
    stopWatching();
    await until(() => room.calls.includes('unwatch'));
    stopListening();
    port.leave('l1', leaving);
    port.leave('l1', { blame: 'server', reason: 'twice' });
    await until(() => room.left.has('l1'));
    return told;
  }

  it('a call has the same effects, in the same order, byte for byte', async () => {
    const w = await world();
    const here = new FakeRoom('1000');
    const there = w.room('1000');
    const toldHere = await call(here, here);
    const toldThere = await call(w.client().port('1000'), there);
    expect(there.calls).toEqual(here.calls);
    expect(there.packets).toEqual(here.packets);
    expect(toldThere).toEqual(toldHere);
    expect(w.bugs).toEqual([]);
    expect(w.drops.all()).toEqual(new Map());
    expect(w.clientDrops.all()).toEqual(new Map());
    await until(() => there.listeners.size === 0 && there.watchers.size === 0);
  });

  it('a refusal comes with its words, and leaves nothing behind', async () => {
    const w = await world();
    const room = w.room('1000');
    room.refusal = roomLocked();
    const client = w.client();
    const port = client.port('1000');
    const why = await refusal(port.join(asking('l1'), () => {}));
    expect(why).toEqual(room.refusal.why);
    expect(await refusal(port.join(asking('l1'), () => {}))).toMatchObject({ reason: 'room-ended' });
    await until(() => room.listeners.size === 0);
    room.refusal = undefined;
    expect(await client.port('1000').join(asking('l1'), () => {})).toMatchObject({ participant: 'alice' });
  });

  it('a room that may not be made refuses in words, too', async () => {
    const w = await world(undefined, {
      rooms: (_, address) => {
        throw refuse('client', 'too-many-new-rooms', `Not for ${address}.`);
      },
    });
    const why = await refusal(
      w
        .client()
        .port('x')
        .join(asking('l1'), () => {}),
    );
    expect(why).toEqual({ blame: 'client', reason: 'too-many-new-rooms', text: 'Not for 192.0.2.1.' });
  });

  it('many legs of many rooms share one connection', async () => {
    const w = await world();
    const client = w.client();
    const joins = Array.from({ length: 60 }, (_, i) =>
      client.port(`room ${i % 6}`).join(asking(`l${i}`, `user ${i}`), () => {}),
    );
    const joined = await Promise.all(joins);
    expect(joined.map(j => j.participant)).toEqual(Array.from({ length: 60 }, (_, i) => `user ${i}`));
    expect(w.server.processes).toBe(1);
    expect(client.port('room 1')).toBe(client.port('room 1'));
  });

  it('a leg closed by the room is forgotten on both sides; what it still sends goes nowhere', async () => {
    const w = await world();
    const room = w.room('1000');
    const port = w.client().port('1000');
    const notices: LegNotice[] = [];
    await port.join(asking('l1'), n => void notices.push(n));
    await port.join(asking('l2', 'bob'), () => {});
    const sound = port.publish('l1', 'l1/0', mic, () => {});
    await until(() => room.calls.some(c => c.startsWith('publish')));
    const kicked = { blame: 'client', reason: 'kicked', text: 'An admin removed alice.' } as const;
    room.notify.get('l1')?.({ type: 'close', why: kicked });
    await until(() => notices.length > 0);
    expect(notices).toEqual([{ type: 'close', why: kicked }]);
    const calls = room.calls.length;
    sound.sink(audio(0), 0);
    sound.pause(true);
    sound.close();
    port.publish('l1', 'l1/1', mic, () => {}).sink(audio(1), 0);
    port.confirmed('l1');
    port.leave('l1', leaving);
    port.confirmed('l2');
    port.absent('l1', true); // it has left
    port.absent('l2', true);
    port.absent('l2', false);
    await until(() => room.calls.includes('absent l2 false'));
    expect(room.calls.slice(calls)).toEqual(['confirmed l2', 'absent l2 true', 'absent l2 false']);
    expect(room.packets.get('l1/0')).toEqual([]);
  });

  it('leaving while the join is under way reaches the room in that order', async () => {
    const w = await world();
    const room = w.room('1000');
    const port = w.client().port('1000');
    await port.join(asking('l0'), () => {});
    let open = (): void => {};
    room.gate = new Promise(done => void (open = done));
    const join = port.join(asking('l1'), () => {});
    await until(() => room.calls.some(c => c.startsWith('join l1')));
    port.leave('l1', leaving);
    await until(() => room.left.has('l1'));
    open();
    await join;
    expect(room.calls.map(c => c.split(' ').slice(0, 2).join(' '))).toEqual([
      'join l0',
      'join l1',
      'leave l1',
    ]);
  });

  it('leaving before there is a connection joins nothing', async () => {
    const w = await world();
    const port = w.client().port('1000');
    const join = refusal(port.join(asking('l1'), () => {}));
    port.leave('l1', leaving);
    expect(await join).toMatchObject({ reason: 'left' });
    expect(w.rooms.size).toBe(0);
  });

  it('a room made anew under the same name is told anew', async () => {
    const w = await world();
    const port = w.client().port('1000');
    w.room('1000').known.set('bob/0', state('bob/0'));
    await port.join(asking('l1'), () => {});
    const events: SourceEvent[] = [];
    port.on(e => void events.push(e));
    const next = new FakeRoom('1000');
    next.known.set('carol/0', state('carol/0'));
    w.rooms.set('1000', next);
    await port.join(asking('l2'), () => {});
    expect([...port.tracks()].map(t => t.info.id)).toEqual(['carol/0']);
    expect(
      events.map(e => (e.type === 'track' ? e.track.info.id : e.type === 'untrack' ? `-${e.id}` : '')),
    ).toEqual(['-bob/0', 'carol/0']);
  });

  it("a room's bug ends the leg that met it, no other", async () => {
    const w = await world();
    const room = w.room('1000');
    const port = w.client().port('1000');
    const notices: LegNotice[] = [];
    await port.join(asking('l1'), n => void notices.push(n));
    await port.join(asking('l2', 'bob'), () => {});
    room.bug = new Error('no such track source');
    port.publish('l1', 'l1/0', mic, () => {});
    await until(() => notices.length > 0);
    expect(notices[0]).toMatchObject({ type: 'close', why: { blame: 'server', reason: 'internal-error' } });
    expect(room.left.get('l1')).toMatchObject({ reason: 'internal-error' });
    expect(w.bugs).toEqual([room.bug]);
    port.confirmed('l2');
    await until(() => room.calls.includes('confirmed l2'));
  });
});
