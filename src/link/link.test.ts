import { createSocket, Socket } from 'node:dgram';
import { connect as connectTcp, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { copyPacket, FakeRoom, roomLocked } from '../../test/harness/fake-room.ts';
import { identity, LinkWorld, ManualClock, TcpHop, until } from '../../test/harness/link.ts';
import type { Format, MediaPacket, NewTrack, RoomEvent } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { SourceEvent, TrackState } from '../media/room-source.ts';
import type { JoinAsk, LegNotice, RoomPort } from '../room/port.ts';

const opus: Format = { codec: 'opus', clockRate: 48_000, channels: 2, fmtp: { useinbandfec: '1' } };
const pcma: Format = { codec: 'PCMA', clockRate: 8000 };
const h264: Format = { codec: 'H264', clockRate: 90_000, fmtp: { 'packetization-mode': '1' } };
const mic: NewTrack = { source: 'mic', format: opus, canKeyframe: true, syncGroup: 'l1' };
const camera: NewTrack = {
  source: 'camera',
  format: h264,
  canKeyframe: false,
  syncGroup: 'l1',
  layers: ['q', 'h'],
};
const asking = (leg: string, user = 'alice'): JoinAsk => ({
  leg,
  gateway: 'sip',
  who: { user, display: 'Alice', proof: 'token', credential: 'c', address: '192.0.2.1' },
  roles: ['send', 'receive'],
});
const state = (id: string, format: Format = opus, more: Partial<TrackState> = {}): TrackState => ({
  info: { id, participant: 'bob', source: 'mic', format, canKeyframe: true, syncGroup: 'b' },
  paused: false,
  visible: true,
  ...more,
});
const audio = (i: number): MediaPacket => ({
  seq: 65_530 + i,
  pts: 2 ** 32 - 960 + 960 * i,
  marker: i === 0,
  payload: Buffer.from(`audio ${i}`),
  level: (i * 7) % 128,
});
const video = (i: number): MediaPacket => ({
  seq: 7_000_000_000 + i,
  pts: 9_000_000_000_000 + 3000 * Math.floor(i / 3),
  marker: i % 3 === 2,
  payload: Buffer.alloc(1 + ((i * 131) % 1200), i),
  frame: { start: i % 3 === 0, end: i % 3 === 2, key: i < 3, config: i === 0, temporal: i % 4 },
});
const leaving = { blame: 'client', reason: 'hung-up' } as const;

const worlds: { close(): Promise<void> }[] = [];
async function world(...args: ConstructorParameters<typeof LinkWorld>): Promise<LinkWorld> {
  const w = await new LinkWorld(...args).listen();
  worlds.push(w);
  return w;
}
afterEach(async () => {
  for (const w of worlds.splice(0)) await w.close();
  vi.restoreAllMocks();
});
const refusal = (p: Promise<unknown>): Promise<Refusal['why']> =>
  p.then(
    () => Promise.reject(new Error('not refused')),
    e => (e instanceof Refusal ? e.why : Promise.reject(e)),
  );

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
    const pull = port.pull('bob/0', p => void heard.push(copyPacket(p)));
    pull.feedback({ type: 'keyframe' });
    await until(() => room.calls.some(c => c.startsWith('pull-feedback')));
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
    room.untrack('bob/0');
    room.event({ type: 'text', from: 'bob', text: 'hello' });
    room.event({ type: 'left', participant: 'bob', why: { blame: 'none', reason: 'left' } });
    room.notify.get('l1')?.({ type: 'mute', media: 'audio', on: true });
    await sees(13);
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
    await until(() => room.calls.includes('confirmed l2'));
    expect(room.calls.slice(calls)).toEqual(['confirmed l2']);
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

describe('when one side goes', () => {
  it('the agent cut off: its legs leave as lost, those of others stay', async () => {
    const w = await world();
    const hop = await new TcpHop(w.tlsPort).listen();
    worlds.push(hop);
    const room = w.room('1000');
    const lost = w.client({ port: hop.port });
    const stays = w.client();
    const notices: LegNotice[] = [];
    const events: SourceEvent[] = [];
    const port = lost.port('1000');
    room.known.set('bob/0', state('bob/0'));
    await port.join(asking('l1'), n => void notices.push(n));
    await port.join(asking('l2', 'bob'), n => void notices.push(n));
    await stays.port('1000').join(asking('l3', 'carol'), n => void notices.push(n));
    port.on(e => void events.push(e));
    port.pull('bob/0', () => {});
    port.watch(() => {});
    await until(() => room.watchers.size === 1);
    hop.cut();
    await until(() => room.left.size === 2 && notices.length === 2);
    for (const leg of ['l1', 'l2'])
      expect(room.left.get(leg)).toMatchObject({ blame: 'server', reason: 'connection-lost' });
    expect(room.left.get('l1')?.text).toMatch(/\.$/);
    for (const n of notices)
      expect(n).toMatchObject({ type: 'close', why: { blame: 'server', reason: 'room-lost' } });
    expect(events).toEqual([{ type: 'untrack', id: 'bob/0' }]);
    expect([...port.tracks()]).toEqual([]);
    expect(room.calls.filter(c => c.startsWith('un'))).toEqual(['unpull bob/0', 'unwatch']);
    expect(room.listeners.size).toBe(1);

    // The old room is over; a later join makes a new link.
    expect(await refusal(port.join(asking('l4'), () => {}))).toMatchObject({ reason: 'room-ended' });
    await lost.port('1000').join(asking('l4'), () => {});
    expect(w.server.processes).toBe(2);
  });

  it('a join under way when the link is lost is refused, and leaves the room', async () => {
    const w = await world();
    const hop = await new TcpHop(w.tlsPort).listen();
    worlds.push(hop);
    const room = w.room('1000');
    let open = (): void => {};
    room.gate = new Promise(done => void (open = done));
    const join = refusal(
      w
        .client({ port: hop.port })
        .port('1000')
        .join(asking('l1'), () => {}),
    );
    await until(() => room.calls.length === 1);
    hop.cut();
    expect(await join).toMatchObject({ reason: 'room-lost' });
    await until(() => room.left.has('l1'));
    open();
    await until(() => w.server.processes === 0);
  });

  it('silence for three seconds is death, for both sides', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    const hop = await new TcpHop(w.tlsPort).listen();
    worlds.push(hop);
    const notices: LegNotice[] = [];
    await w
      .client({ port: hop.port })
      .port('1000')
      .join(asking('l1'), n => void notices.push(n));
    const room = w.room('1000');
    for (let i = 0; i < 10; i++) {
      clock.advance(1000); // pings pass: nobody is silent
      await new Promise(next => setTimeout(next, 5));
    }
    expect(room.left.size + notices.length).toBe(0);
    hop.freeze();
    clock.advance(2999);
    expect(room.left.size + notices.length).toBe(0);
    clock.advance(1001);
    await until(() => room.left.has('l1') && notices.length > 0);
    expect(room.left.get('l1')?.text).toContain('nothing was heard for 3 s');
    expect(notices[0]).toMatchObject({ type: 'close', why: { reason: 'room-lost' } });
  });

  it('the room node closing tells every seat', async () => {
    const w = await world();
    const notices: LegNotice[] = [];
    await w
      .client()
      .port('1000')
      .join(asking('l1'), n => void notices.push(n));
    await w.server.close();
    await until(() => notices.length > 0);
    expect(notices[0]).toMatchObject({ type: 'close', why: { reason: 'room-lost' } });
    expect(w.room('1000').left.get('l1')).toMatchObject({ reason: 'connection-lost' });
  });

  it('a node that is away is refused at once for a while, then tried again', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    let knocks = 0;
    const dead = createServer(s => {
      knocks++;
      s.destroy();
    });
    await new Promise<void>(done => dead.listen(0, '127.0.0.1', done));
    worlds.push({ close: () => new Promise(done => dead.close(() => done())) });
    const { port } = dead.address() as { port: number };
    const client = w.client({ port });
    const join = (): Promise<Refusal['why']> => refusal(client.port('1000').join(asking('l1'), () => {}));
    const first = await join();
    expect(first).toMatchObject({ blame: 'server', reason: 'room-unreachable' });
    expect(first.text).toContain(String(port));
    expect(await join()).toEqual(first);
    clock.advance(250);
    await join();
    expect(knocks).toBe(2);
    clock.advance(499);
    await join();
    expect(knocks).toBe(2);
    clock.advance(1);
    await join();
    expect(knocks).toBe(3);
    await client.close();
    expect(await join()).toMatchObject({ reason: 'link-closed' });
  });

  it('datagrams that pass no more end the link: seats without media are no seats', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    const notices: LegNotice[] = [];
    await w
      .client()
      .port('1000')
      .join(asking('l1'), n => void notices.push(n));
    vi.spyOn(Socket.prototype, 'send').mockImplementation(() => {});
    for (let i = 0; i < 30 && notices.length === 0; i++) {
      clock.advance(1000);
      await new Promise(next => setTimeout(next, 5));
    }
    expect(notices[0]).toMatchObject({ type: 'close', why: { reason: 'room-lost' } });
    expect(notices[0]?.type === 'close' && notices[0].why.text).toContain('datagrams');
  });

  it('no datagram from the start: the join is refused, in words', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    vi.spyOn(Socket.prototype, 'send').mockImplementation(() => {});
    const join = refusal(
      w
        .client()
        .port('1000')
        .join(asking('l1'), () => {}),
    );
    const ticking = setInterval(() => clock.advance(250), 10);
    const why = await join;
    clearInterval(ticking);
    expect(why).toMatchObject({ blame: 'server', reason: 'room-unreachable' });
    expect(why.text).toContain(`UDP port ${w.udpPort}`);
    await until(() => w.server.processes === 0);
  });

  it('closing does not wait for a node that does not answer', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    const mute = createServer(() => {});
    await new Promise<void>(done => mute.listen(0, '127.0.0.1', done));
    const client = w.client({ port: (mute.address() as { port: number }).port });
    const join = refusal(client.port('1000').join(asking('l1'), () => {}));
    await new Promise<void>(connected => mute.once('connection', () => connected()));
    await client.close();
    expect((await join).text).toContain('this process is closing');
    await new Promise(done => mute.close(done));
  });

  it('a port in use is said in a sentence', async () => {
    const w = await world();
    const udp = new LinkWorld(undefined, { udpPort: w.udpPort });
    expect((await refusal(udp.listen())).text).toMatch(/UDP port \d+ on 127.0.0.1 .*artp\.port/);
    const tcp = new LinkWorld(undefined, { tlsPort: w.tlsPort });
    expect((await refusal(tcp.listen())).text).toMatch(/TCP port \d+ on 127.0.0.1 .*artp\.tlsPort/);
  });

  it('leaves no timer and no socket behind', async () => {
    const clock = new ManualClock();
    const w = await new LinkWorld(clock).listen();
    for (let i = 0; i < 3; i++) {
      const client = w.client();
      await client.port('1000').join(asking(`l${i}`), () => {});
      await client.close();
    }
    await until(() => w.server.processes === 0);
    await w.close();
    await until(() => clock.armed === 0);
    expect(w.room('1000').listeners.size).toBe(0);
  });
});

describe('strangers', () => {
  /** Speaks TLS to the room node as `who`, says what it is told to, and returns what comes back. */
  const knock = (w: LinkWorld, who: ReturnType<typeof identity> | undefined, says: Buffer): Promise<string> =>
    new Promise(done => {
      let heard = '';
      const tls = connectTls({
        port: w.tlsPort,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...(who && { cert: who.certPem, key: who.keyPem }),
      });
      tls.on('secureConnect', () => tls.write(says));
      tls.on('data', d => void (heard += d.toString()));
      tls.on('error', () => {});
      tls.on('close', () => done(heard));
    });
  const frame = (m: unknown): Buffer => {
    const text = Buffer.from(JSON.stringify(m));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(text.length);
    return Buffer.concat([head, text]);
  };
  const hello = { type: 'hello', version: 1, process: 'x', connection: '0011223344556677' };

  it('with another certificate, or none, are refused in words', async () => {
    const w = await world();
    expect(await knock(w, identity('agent'), frame(hello))).toContain('does not know the certificate');
    expect(await knock(w, undefined, frame(hello))).toContain('none was shown');
    const why = await refusal(
      w
        .client({ as: identity('agent') })
        .port('1000')
        .join(asking('l1'), () => {}),
    );
    expect(why).toMatchObject({ blame: 'client', reason: 'untrusted' });
    expect(w.drops.get('untrusted')).toBe(3);
    expect(w.rooms.size).toBe(0);
  });

  it('a room node with another certificate than it advertised gets no HELLO', async () => {
    const w = await world();
    const client = w.client({ fingerprint: identity('x').fingerprint });
    const why = await refusal(client.port('1000').join(asking('l1'), () => {}));
    expect(why.text).toContain('another certificate');
    const lower = w.client({ fingerprint: w.node.fingerprint.replaceAll(':', '').toLowerCase() });
    await lower.port('1000').join(asking('l1'), () => {});
  });

  it('that hold a key but speak wrongly are closed with a reason', async () => {
    const w = await world();
    const says = (b: Buffer): Promise<string> => knock(w, w.agent, b);
    expect(await says(frame({ ...hello, version: 9 }))).toContain('aRTP 9');
    expect(await says(frame({ ...hello, more: 1 }))).toContain('bad-hello');
    expect(await says(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('');
    expect(await says(Buffer.concat([frame(hello), frame({ t: 'join' })]))).not.toContain('joined');
    const good = await says(Buffer.concat([frame(hello), Buffer.of(255, 255, 255, 255)]));
    expect(good).not.toContain('joined');
    await until(() => w.server.processes === 0);
    expect(w.rooms.size).toBe(0);
  });

  it('that send bytes which are no TLS, or nothing, do not stay', async () => {
    const clock = new ManualClock();
    const w = await world(clock);
    await new Promise<void>(done => {
      const raw = connectTcp(w.tlsPort, '127.0.0.1', () => raw.write(Buffer.alloc(600, 0x55)));
      raw.on('error', () => {});
      raw.on('close', () => done());
    });
    expect(w.drops.get('tls')).toBe(1);
    const mute = knock(w, w.agent, Buffer.alloc(0));
    const ticking = setInterval(() => clock.advance(1000), 20);
    expect(await mute).toBe('');
    clearInterval(ticking);
  });

  it('cannot hold more than so many connections', async () => {
    const w = await world();
    const open = Array.from({ length: 80 }, () => connectTcp(w.tlsPort, '127.0.0.1').on('error', () => {}));
    await until(() => w.drops.get('connections') === 16);
    for (const s of open) s.destroy();
  });
});

describe('datagrams', () => {
  /** A link with a publication, every datagram it sends to the node, and a socket of a stranger. */
  async function wired() {
    const w = await world();
    const sent: Buffer[] = [];
    const real = Socket.prototype.send;
    vi.spyOn(Socket.prototype, 'send').mockImplementation(function (this: Socket, ...args: unknown[]) {
      const [bytes, offset, length, port] = args as [Uint8Array, number, number, number];
      if (port === w.udpPort) sent.push(Buffer.from(bytes.subarray(offset, offset + length)));
      return Reflect.apply(real, this, args);
    } as typeof real);
    const port = w.client().port('1000');
    await port.join(asking('l1'), () => {});
    const publication = port.publish('l1', 'l1/0', mic, () => {});
    publication.sink(audio(0), 0);
    const room = w.room('1000');
    const heard = (): MediaPacket[] => room.packets.get('l1/0') ?? [];
    await until(() => heard().length === 1);
    const stranger = createSocket('udp4');
    worlds.push({ close: () => new Promise(done => stranger.close(() => done())) });
    const throwIn = (b: Uint8Array): void => stranger.send(b, w.udpPort, '127.0.0.1');
    const counted = (): number => [...w.drops.all().values()].reduce((a, b) => a + b, 0);
    return { w, sent, port, publication, room, heard, throwIn, counted };
  }

  it('forged, replayed, cut or in clear text are counted and change nothing', async () => {
    const { w, sent, publication, heard, throwIn, counted } = await wired();
    const good = sent.at(-1)!;
    const bad: Buffer[] = [];
    for (let at = 0; at < good.length; at++) {
      const forged = Buffer.from(good);
      forged[at]! ^= 0x41;
      // Path, sequence and send time of the trailer are the hop's own and not sealed: the packet is then a replay.
      bad.push(forged, good.subarray(0, at));
    }
    bad.push(good, Buffer.alloc(0), Buffer.alloc(2000, 0x80), Buffer.alloc(9000, 0x90));
    const clear = Buffer.alloc(172);
    clear[0] = 0x80;
    bad.push(clear, Buffer.from('000100002112a442000000000000000000000000', 'hex'));
    for (let i = 0; i < bad.length; i += 50) {
      for (const b of bad.slice(i, i + 50)) throwIn(b);
      await until(() => counted() === Math.min(bad.length, i + 50));
    }
    expect(heard().length).toBe(1);
    for (const reason of ['forged', 'replayed', 'cleartext', 'not-rtp', 'short', 'unknown-connection'])
      expect(w.drops.get(reason), reason).toBeGreaterThan(0);
    publication.sink(audio(1), 0);
    await until(() => heard().length === 2);
    expect(heard()).toEqual([audio(0), audio(1)]);
  });

  it('from another address do not move the path, unless its owner answers there', async () => {
    const { w, sent, port, room, throwIn } = await wired();
    // A challenge of the real client, late: seen before, so nothing is answered to the stranger.
    const challenge = sent.find(b => (b[1]! & 0xff) === 204)!;
    const before = w.drops.get('replayed');
    throwIn(challenge);
    await until(() => w.drops.get('replayed') === before + 1);
    const heard: MediaPacket[] = [];
    room.track(state('bob/0'));
    await until(() => [...port.tracks()].length === 1);
    port.pull('bob/0', p => void heard.push(copyPacket(p)));
    await until(() => room.pulls.size === 1);
    room.play('bob/0', audio(0));
    await until(() => heard.length === 1);
  });

  it('a burst right behind the announcement arrives whole: what comes first waits', async () => {
    const { port, room, w } = await wired();
    const picture = port.publish('l1', 'l1/1', camera, () => {});
    for (let i = 0; i < 150; i++) picture.sink(video(i), 0);
    await until(() => room.packets.get('l1/1')?.length === 150);
    expect(room.packets.get('l1/1')).toEqual(Array.from({ length: 150 }, (_, i) => video(i)));
    expect(w.drops.all()).toEqual(new Map());
  });

  it("a sink's bug costs its packet, not the link", async () => {
    const { port, room, w } = await wired();
    room.track(state('bob/0'));
    await until(() => [...port.tracks()].length === 1);
    const heard: number[] = [];
    port.pull('bob/0', p => {
      if (heard.push(p.seq) === 1) throw new Error('deaf');
    });
    await until(() => room.pulls.size === 1);
    room.play('bob/0', audio(0));
    room.play('bob/0', audio(1));
    await until(() => heard.length === 2);
    expect(w.bugs).toEqual([new Error('deaf')]);
  });
});
