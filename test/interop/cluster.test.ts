import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { silenceMs, toneOf } from '../harness/heard.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { type LoadResult, sippLoad } from '../harness/peers/sipp-load.ts';
import { Stage, wait } from '../harness/stage.ts';

const CALLS = 54;
const PHONES = 6;
const ALL = CALLS + PHONES;
const FRONT = 'sip-call,api';
const ROLES = [
  ...[FRONT, 'manager', 'manager 2', 'room', 'room 2'],
  ...['sip-agent', 'sip-agent 2', 'sip-agent 3'],
];
/** All of the file is one meeting: so long must the phones have something to say. */
const SECONDS = 120;
/** From the death of a process until those it served are heard again, and new calls work. */
const AGAIN_MS = 5000;
/** How long the agents cannot hear the managers and the front, nor be heard. */
const PARTED_MS = 10_000;

const suite = missing('baresip', 'sipp', 'nats-server') ? describe.skip : describe;

interface LegView {
  readonly leg: string;
  readonly room: string;
  readonly participant: string;
  readonly agent: string;
}

suite('60 calls while their system dies by parts', () => {
  let stage: Stage;
  let load: Promise<LoadResult>;
  const ending = new AbortController();
  const phones: Baresip[] = [];
  const roomOf = (phone: number): string => `phones-${phone % 2}`;

  beforeAll(async () => {
    const began = Date.now();
    stage = await Stage.open('three processes', '', [], ROLES, /^sip-agent/);
    console.log(`${ROLES.length} processes and NATS were ready after ${Date.now() - began} ms`);
  }, 60_000);
  afterAll(async () => {
    ending.abort();
    await Promise.all(phones.map(phone => phone.stop()));
    await stage?.close();
  });
  afterEach(t => stage.tell(t.task));

  const agents = async () =>
    ((await stage.server.api<{ agent: string; legs: number }[]>('GET', '/agents')) ?? []).map(
      ({ agent, legs }) => ({ agent, legs }),
    );
  const legs = async (): Promise<LegView[]> => (await stage.server.api<LegView[]>('GET', '/legs')) ?? [];

  /** Every call has one leg, nobody two, and the agents count what they have: on `count` agents. */
  const whole = async (count: number, but?: string) => {
    const state = await stage.server.until(
      `${ALL} calls on ${count} agents`,
      async () => ({ agents: await agents().catch(() => []), legs: await legs().catch(() => []) }),
      s =>
        s.agents.length === count &&
        s.legs.length === ALL &&
        s.agents.every(a => a.legs === s.legs.filter(l => l.agent === a.agent).length) &&
        s.legs.every(l => l.agent !== but),
    );
    expect(new Set(state.legs.map(l => l.leg)).size).toBe(ALL);
    expect(new Set(state.legs.map(l => `${l.room} ${l.participant}`)).size).toBe(ALL);
    return state;
  };

  /** A call into a room of its own: ms until it was placed and had ended again. */
  const newCall = async (room = 1): Promise<number> => {
    const began = Date.now();
    const { output, ...result } = await sippLoad({
      ...{ dir: stage.dir('new'), server: stage.server.sip, calls: 1, perSecond: 1, callMs: 0, rooms: room },
      signal: ending.signal,
    });
    expect(result, output).toEqual({ exit: 0, successful: 1, failed: 0 });
    return Date.now() - began;
  };

  /** The longest time each phone missed one of the others of its room since `since` (Unix ms). */
  const silences = (since: number): number[] =>
    phones.map((phone, n) => {
      const lastMs = Date.now() - since;
      const heard = phone.heard();
      const others = [...phones.keys()].filter(m => m !== n && roomOf(m) === roomOf(n));
      return Math.round(Math.max(...others.map(m => silenceMs(heard, m, lastMs))));
    });

  it('are spread over three agents within 2 of even', async () => {
    await Promise.all(
      Array.from({ length: PHONES }, async (_, n) => {
        phones[n] = await Baresip.start({
          ...{ dir: stage.dir(`phone${n}`), user: `phone${n}`, plays: toneOf(n, SECONDS) },
          codecs: n < 3 ? 'opus/48000/2' : 'pcmu/8000/1',
        });
      }),
    );
    load = sippLoad({
      ...{ dir: stage.dir('load'), server: stage.server.sip, calls: CALLS, perSecond: CALLS, rooms: 6 },
      ...{ callMs: 'standing', signal: ending.signal },
    });
    for (const [n, phone] of phones.entries()) {
      await phone.dial(`sip:${roomOf(n)}@${stage.server.sip}`);
      await phone.established();
    }
    const { agents: spread } = await whole(3);
    console.log(`legs by agent: ${spread.map(a => a.legs).join(', ')}`);
    for (const { legs: held } of spread) expect(Math.abs(held - ALL / 3)).toBeLessThanOrEqual(2);
    const since = Date.now();
    await wait(1500);
    expect(Math.max(...silences(since))).toBeLessThan(500);
  }, 40_000);

  it('kill -9 of an agent: its calls go on elsewhere, heard again within 5 s; nothing new goes there', async () => {
    const before = await whole(3);
    const since = Date.now();
    await stage.server.kill('sip-agent 3');
    const { agents: left } = await whole(2);
    const dead = before.agents.find(a => !left.some(l => l.agent === a.agent))?.agent as string;
    expect(before.legs.filter(l => l.agent === dead && l.room.startsWith('phones')).length).toBeGreaterThan(0);
    console.log(`all calls have an agent ${Date.now() - since} ms after one was killed`);
    await wait(1500);
    const missed = silences(since);
    console.log(`silence after the kill, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed)).toBeLessThan(AGAIN_MS);
    await newCall();
    await whole(2, dead);
  }, 40_000);

  it('an agent that is emptied: its calls go to another one, none is dropped', async () => {
    await stage.server.again('sip-agent 3');
    const { agents: three } = await whole(3);
    const emptied = three.find(a => a.legs > 0)?.agent as string;
    const since = Date.now();
    await stage.server.api('POST', `/agents/${emptied}/drain`);
    const after = await whole(3, emptied);
    console.log(`emptied after ${Date.now() - since} ms: ${after.agents.map(a => a.legs).join(', ')} legs`);
    await wait(1500);
    const missed = silences(since);
    console.log(`silence while it was emptied, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed)).toBeLessThan(2000);
    await stage.server.api('POST', `/agents/${emptied}/drain`, { on: false });
  }, 40_000);

  it('a manager and a room node: new calls are placed at once, nobody leaves, heard again within 5 s', async () => {
    await stage.server.kill('manager');
    const tookMs = await newCall();
    console.log(`a call was placed and ended ${tookMs} ms after a manager was killed`);
    expect(tookMs).toBeLessThan(AGAIN_MS);
    const last = (name: string): number =>
      (stage.server.processes.get(name)?.output ?? '').lastIndexOf('"room":"phones-0"');
    const host = last('room') > last('room 2') ? 'room' : 'room 2';
    const since = Date.now();
    await stage.server.kill(host);
    await wait(AGAIN_MS + 500);
    const missed = silences(since);
    console.log(`silence after a room node was killed, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed)).toBeLessThan(AGAIN_MS);
    await whole(3);
    await Promise.all([stage.server.again(host), stage.server.again('manager')]);
    await newCall();
  }, 40_000);

  it.each(['with its store', 'empty'])('NATS dies and is started again %s', async how => {
    const since = Date.now();
    await stage.server.killNats();
    await wait(1500);
    await (how === 'empty' ? stage.server.emptyNats() : stage.server.sameNats());
    const up = Date.now();
    await stage.server.until(
      'a new call works',
      () => newCall().catch(() => -1),
      took => took >= 0,
    );
    console.log(`a new call worked ${Date.now() - up} ms after NATS was there again`);
    expect(Date.now() - up).toBeLessThan(AGAIN_MS);
    await whole(3);
    await wait(1000);
    const missed = silences(since);
    console.log(`silence while NATS was away, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed)).toBeLessThan(500);
  }, 40_000);

  it('10 s in which agents and managers cannot reach each other', async () => {
    const before = await whole(3);
    const since = Date.now();
    stage.server.part();
    await wait(PARTED_MS);
    stage.server.join();
    const joined = Date.now();
    const after = await whole(3);
    console.log(`whole again ${Date.now() - joined} ms after the partition`);
    await newCall();
    await wait(1000);
    const missed = silences(since);
    console.log(`silence while they were parted, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed)).toBeLessThan(500);
    expect(new Set(after.legs.map(l => l.leg)), 'none was moved').toEqual(
      new Set(before.legs.map(l => l.leg)),
    );
  }, 40_000);

  it('the front: agents close its legs within 5 s, its successor hangs up on the phones', async () => {
    const from = phones.map(phone => phone.output.length);
    await stage.server.kill(FRONT);
    await wait(AGAIN_MS);
    await stage.server.again(FRONT);
    await Promise.all(
      phones.map((phone, n) => phone.until(/session closed|terminated/i, 10_000, from[n] as number)),
    );
    const { exit, successful, failed, output } = await load;
    expect({ exit, successful, failed }, output).toEqual({ exit: 0, successful: CALLS, failed: 0 });
    expect(await legs()).toEqual([]);
    expect(stage.server.bugs()).toEqual([]);
  }, 40_000);
});
