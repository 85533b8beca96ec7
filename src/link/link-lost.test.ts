import { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { LinkWorld, ManualClock, TcpHop, until } from '../../test/harness/link.ts';
import type { Refusal } from '../kit/refusal.ts';
import type { SourceEvent } from '../media/room-source.ts';
import type { LegNotice } from '../room/port.ts';
import { asking, refusal, state, world, worlds } from './link.testing.ts';

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
    port.pull(
      'bob/0',
      () => {},
      () => {},
    );
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
