import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '../../src/contract.ts';
import { isResume } from '../../src/proto/artp/session/resume.ts';
import { ArtpRelay, portsOf } from '../../test/harness/artp-relay.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { eventually, OPUS, World } from './world.testing.ts';

let world: World;
beforeEach(async () => void (world = await World.open()));
afterEach(() => world.close());

describe('a lost network', () => {
  /** As far as everything in between answers, time goes by by itself. */
  const flowing = (clock: VirtualClock): (() => void) => {
    const timer = setInterval(() => clock.run(5), 5);
    return () => clearInterval(timer);
  };

  it('keeps the seat for 119 s, and frees it at 121 s', async () => {
    const clock = new VirtualClock();
    const own = await World.open({}, { clock });
    const relay = await ArtpRelay.open(portsOf(own.url));
    const stop = flowing(clock);
    const { member } = await own.join({ url: relay.url('1000') });
    const since = clock.now();
    await eventually(() => expect(clock.now()).toBeGreaterThan(since + 200)); // the server has found its way, too
    stop();
    relay.loses = () => true;
    relay.streams(false);
    await new Promise(done => setTimeout(done, 50)); // what was under way arrives
    const lostAt = clock.now();
    clock.run(119_000);
    expect(own.seats[0]?.isAbsent).toBe(true);
    expect(own.closed).toEqual([]);
    clock.run(2_100);
    expect(own.closed).toMatchObject([{ blame: 'client', reason: 'session-lost' }]);
    expect(clock.now() - lostAt).toBeLessThan(122_000);
    flowing(clock);
    void member.leave();
    await own.close();
    await relay.close();
  });

  it('is over when packets pass again: the same leg, here again', async () => {
    const clock = new VirtualClock();
    const own = await World.open({}, { clock });
    const relay = await ArtpRelay.open(portsOf(own.url));
    const stop = flowing(clock);
    const { member } = await own.join({ url: relay.url('1000') });
    const since = clock.now();
    await eventually(() => expect(clock.now()).toBeGreaterThan(since + 200)); // the server has found its way, too
    stop();
    relay.loses = () => true;
    relay.streams(false);
    await new Promise(done => setTimeout(done, 50));
    clock.run(100_000);
    expect(own.seats[0]?.isAbsent).toBe(true);
    relay.loses = () => false;
    const again = flowing(clock);
    await eventually(() => expect(own.seats[0]?.isAbsent).toBe(false));
    expect(own.requests).toHaveLength(1);
    void member.leave();
    await own.close();
    again();
    await relay.close();
  });
});

describe('an agent that is emptied', () => {
  it('sends its members to another one; they are heard all the while', async () => {
    const other = await World.open();
    const own = await World.open({}, { siblings: () => [other.agent.reach as Json] });
    const { member, events } = await own.join();
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: 'a' });
    const { clock } = own.host;
    let said = 0;
    const packet = { marker: false, payload: Buffer.from('word'), level: 30 };
    const talking = setInterval(() => mic.sink({ ...packet, seq: ++said, pts: said * 960 }, clock.now()), 20);
    const heardBy = (w: World) => w.seats[0]?.publications[0]?.heard.length ?? 0;
    await eventually(() => expect(heardBy(own)).toBeGreaterThan(5));
    own.fronts[0]?.({ type: 'move' });
    await eventually(() => expect(heardBy(other)).toBeGreaterThan(5));
    clearInterval(talking);
    expect(said - heardBy(own) - heardBy(other)).toBeLessThan(15); // 300 ms
    expect(events.filter(e => e.type === 'resumed')).toHaveLength(1);
    expect(own.requests[0]).toMatchObject({ returns: true });
    await eventually(() => expect(own.closed).toMatchObject([{ blame: 'none', reason: 'moved' }]));
    await member.leave();
    for (const w of [own, other]) await w.close();
  }, 20_000);

  it('keeps those that have nowhere to go', async () => {
    const { member, events } = await world.join();
    world.fronts[0]?.({ type: 'move' });
    await member.text('still here');
    expect(world.texts).toEqual(['still here']);
    expect(events.map(e => e.type)).not.toContain('ended');
  });
});

describe('an agent that dies', () => {
  it('is replaced by another one that opens the ticket: the same participant, its tracks again', async () => {
    const other = await World.open();
    const relay = await ArtpRelay.open(portsOf(world.url));
    const { member, events } = await world.join({ url: relay.url('1000'), alternates: [other.url] });
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: 'a' });
    await member.text('here'); // the ticket came before
    await eventually(() => expect(world.seats[0]?.publications).toHaveLength(1));
    relay.loses = () => true;
    relay.streams(false);
    await eventually(() => expect(other.seats[0]?.publications).toHaveLength(1));
    expect(other.requests[0]).toMatchObject({
      room: '1000',
      pin: 'native-1',
      who: { user: 'alice', credential: 'resume-me', proof: 'resumed' },
    });
    await eventually(() => {
      mic.sink(
        { seq: 9, pts: 960, marker: false, payload: Buffer.from('back'), level: 30 },
        world.host.clock.now(),
      );
      expect(other.seats[0]?.publications[0]?.heard).not.toHaveLength(0);
    });
    expect(events.map(e => e.type)).toContain('resumed');
    await member.leave();
    await other.close();
    await relay.close();
  }, 20_000);

  it('is replaced by one it has told of, which offers routers for the new session', async () => {
    const offered: string[] = [];
    const offers = (...ids: Uint8Array[]) => {
      offered.push(ids.map(id => Buffer.from(id).toString('hex')).join());
      return [];
    };
    const other = await World.open({}, { relay: { serve() {}, offers } });
    const own = await World.open({}, { siblings: () => ['not ours', other.agent.reach as Json] });
    const relay = await ArtpRelay.open(portsOf(own.url));
    const { member, events } = await own.join({ url: relay.url('1000') });
    await member.text('here'); // the ticket came before
    relay.loses = () => true;
    relay.streams(false);
    await eventually(() => expect(events.map(e => e.type)).toContain('resumed'));
    expect(other.requests).toMatchObject([{ who: { proof: 'resumed' }, returns: true }]);
    expect(offered).toHaveLength(1);
    await member.text('there');
    expect(other.texts).toEqual(['there']);
    await member.leave();
    for (const w of [own, other]) await w.close();
    await relay.close();
  }, 20_000);

  it('a RESUME that somebody has copied takes nobody’s place', async () => {
    const other = await World.open();
    const relay = await ArtpRelay.open(portsOf(world.url));
    const copies: Buffer[] = [];
    const spy = await ArtpRelay.open(portsOf(other.url));
    spy.loses = (bytes, toServer) => {
      if (toServer && isResume(bytes)) copies.push(Buffer.from(bytes));
      return false;
    };
    const { member } = await world.join({ url: relay.url('1000'), alternates: [spy.url('1000')] });
    await member.text('here'); // the ticket came before
    relay.loses = () => true;
    relay.streams(false);
    await eventually(() => expect(other.requests).toHaveLength(1));
    expect(copies.length).toBeGreaterThan(0);
    const third = await World.open();
    const thief = createSocket('udp4');
    for (const copy of copies) thief.send(copy, portsOf(third.url).udpPort, '127.0.0.1');
    const [answer] = (await once(thief, 'message')) as [Buffer];
    expect(answer.length).toBeLessThanOrEqual(3 * (copies[0]?.length ?? 0));
    expect(third.requests).toEqual([]); // nobody has shown keys
    thief.close();
    await member.leave();
    for (const w of [other, third]) await w.close();
    for (const r of [relay, spy]) await r.close();
  }, 20_000);
});
