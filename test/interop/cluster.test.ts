import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { silenceMs, toneOf } from '../harness/heard.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { type LoadResult, sippLoad } from '../harness/peers/sipp-load.ts';
import { Stage, wait } from '../harness/stage.ts';
import { udpPortsOf } from '../harness/udp-ports.ts';

const CALLS = 54;
const PHONES = 6;
const ALL = CALLS + PHONES;
const FRONT = 'sip-call,api';
const AGENTS = ['sip-agent', 'sip-agent 2', 'sip-agent 3'];
const ROLES = [FRONT, 'manager', 'manager 2', 'room', 'room 2', ...AGENTS];
/** The file is one long meeting: so long must the phones have something to say. */
const SECONDS = 100;
/** From the death of a process until those it served are heard again, and new calls work. */
const AGAIN_MS = 5000;
/** Nobody notices. */
const UNNOTICED_MS = 500;
/** How long some cannot reach the bus: longer than a process is waited for, and longer than a call is then moved. */
const PARTED_MS = 10_000;
/** What agents take for legs unless told otherwise, two each: RTP and RTCP. */
const RTP = { min: 20_000, max: 29_999 };

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

  const dir = mkdtempSync(join(tmpdir(), 'roombridge-cluster-'));
  beforeAll(async () => {
    // First, because making what they play takes this process' time, and it carries what others say to NATS.
    for (let n = 0; n < PHONES; n++)
      phones[n] = await Baresip.start({
        ...{ dir: join(dir, `phone${n}`), user: `phone${n}`, plays: toneOf(n, SECONDS) },
        codecs: n < 3 ? 'opus/48000/2' : 'pcmu/8000/1',
      });
    const began = Date.now();
    stage = await Stage.open('three processes', '', [], ROLES, /^sip-/);
    console.log(`${ROLES.length} processes and NATS were ready after ${Date.now() - began} ms`);
    load = sippLoad({
      ...{ dir: stage.dir('load'), server: stage.server.sip, calls: CALLS, perSecond: CALLS, rooms: 6 },
      ...{ callMs: 'standing', signal: ending.signal },
    });
    for (const [n, phone] of phones.entries()) {
      await phone.dial(`sip:${roomOf(n)}@${stage.server.sip}`);
      await phone.established();
    }
  }, 60_000);
  afterAll(async () => {
    ending.abort();
    await Promise.all(phones.map(phone => phone.stop()));
    await stage?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  afterEach(t => stage.tell(t.task));

  const agents = async () =>
    ((await stage.server.api<{ agent: string; legs: number }[]>('GET', '/agents')) ?? []).map(
      ({ agent, legs }) => ({ agent, legs }),
    );
  const legs = async (): Promise<LegView[]> => (await stage.server.api<LegView[]>('GET', '/legs')) ?? [];
  const roster = (): Promise<string> =>
    Promise.all([0, 1].map(n => stage.server.participants(roomOf(n)))).then(rooms => rooms.join());
  const EVERYONE = [0, 2, 4, 1, 3, 5].map(n => `phone${n}`).join();

  /** RTP and RTCP ports of all agents. */
  const ports = (): number[] =>
    AGENTS.flatMap(name => udpPortsOf(stage.server.processes.get(name)?.process.pid as number)).filter(
      port => port >= RTP.min && port <= RTP.max,
    );

  /** Every call has one leg, nobody two; the agents count what they have, and hold ports for no more: on `count` agents. */
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
  const newCall = async (): Promise<number> => {
    const began = Date.now();
    const { output, ...result } = await oneCall();
    expect(result, output).toEqual({ exit: 0, successful: 1, failed: 0 });
    return Date.now() - began;
  };
  const oneCall = (): Promise<LoadResult> =>
    sippLoad({
      ...{ dir: stage.dir('new'), server: stage.server.sip, calls: 1, perSecond: 1, callMs: 0, rooms: 1 },
      signal: ending.signal,
    });

  /** The longest time each phone missed one of the others of its room since `since` (Unix ms). */
  const silences = (since: number): number[] =>
    phones.map((phone, n) => {
      const lastMs = Date.now() - since;
      const heard = phone.heard();
      const others = [...phones.keys()].filter(m => m !== n && roomOf(m) === roomOf(n));
      return Math.round(Math.max(...others.map(m => silenceMs(heard, m, lastMs))));
    });
  /** All of them within `limitMs`, in what was heard since. */
  const hear = (what: string, since: number, limitMs: number): void => {
    const missed = silences(since);
    console.log(`${what}: silence, ms by phone: ${missed.join(', ')}`);
    expect(Math.max(...missed), what).toBeLessThan(limitMs);
  };

  /** Every different answer of the rooms, until the returned function is called. Who dies with a question gives none. */
  const watch = (): (() => Promise<string[]>) => {
    const seen = new Set<string>();
    let watching = true;
    const ended = (async () => {
      for (; watching; await wait(100)) {
        const now = await roster().catch(() => undefined);
        if (now !== undefined) seen.add(now);
      }
    })();
    return async () => {
      watching = false;
      await ended;
      return [...seen];
    };
  };

  it('they are spread over three agents within 2 of even', async () => {
    const { agents: spread } = await whole(3);
    console.log(`legs by agent: ${spread.map(a => a.legs).join(', ')}`);
    for (const { legs: held } of spread) expect(Math.abs(held - ALL / 3)).toBeLessThanOrEqual(2);
    const since = Date.now();
    await wait(1000);
    hear('before', since, UNNOTICED_MS);
    expect(ports()).toHaveLength(2 * ALL);
    expect(await roster()).toBe(EVERYONE);
  }, 40_000);

  it('kill -9 of an agent: its calls go on elsewhere, heard again within 5 s; nothing new goes there', async () => {
    const before = await whole(3);
    const seen = watch();
    const since = Date.now();
    await stage.server.kill('sip-agent 3');
    const { agents: left } = await whole(2);
    console.log(`all calls have an agent ${Date.now() - since} ms after one was killed`);
    const dead = before.agents.find(a => !left.some(l => l.agent === a.agent))?.agent as string;
    expect(before.legs.filter(l => l.agent === dead && l.room.startsWith('phones'))).not.toHaveLength(0);
    await newCall();
    hear('an agent was killed', since, AGAIN_MS);
    await whole(2, dead);
    expect(await seen(), 'nobody left').toEqual([EVERYONE]);
  }, 40_000);

  it('an agent that is emptied: its calls go to another one, none is dropped', async () => {
    await stage.server.again('sip-agent 3');
    const { agents: three } = await whole(3);
    const emptied = three.find(a => a.legs > 0)?.agent as string;
    const since = Date.now();
    await stage.server.api('POST', `/agents/${emptied}/drain`);
    const after = await whole(3, emptied);
    console.log(`emptied after ${Date.now() - since} ms: ${after.agents.map(a => a.legs).join(', ')} legs`);
    await wait(1000);
    hear('an agent was emptied', since, 1000);
    await stage.server.api('POST', `/agents/${emptied}/drain`, { on: false });
  }, 40_000);

  it('kill -9 of a manager: new calls are placed at once; of the room node: nobody leaves', async () => {
    await stage.server.kill('manager');
    const tookMs = await newCall();
    console.log(`a call was placed and ended ${tookMs} ms after a manager was killed`);
    expect(tookMs).toBeLessThan(AGAIN_MS);

    const made = (name: string): boolean =>
      /"room":"phones-0","msg":"room created"/.test(stage.server.processes.get(name)?.output ?? '');
    const [host, other] = made('room') ? ['room', 'room 2'] : ['room 2', 'room'];
    expect([made(host as string), made(other as string)]).toEqual([true, false]);
    const seen = watch();
    const since = Date.now();
    await stage.server.kill(host as string);
    await wait(AGAIN_MS - 1000);
    hear('the room node was killed', since, AGAIN_MS);
    expect(await seen(), 'nobody left').toEqual([EVERYONE]);
    await whole(3);
    await Promise.all([stage.server.again(host as string), stage.server.again('manager')]);
  }, 40_000);

  it.each(['with what it kept', 'empty'])(
    'kill -9 of NATS, which is started again %s',
    async how => {
      const since = Date.now();
      await stage.server.killNats();
      await wait(1500);
      await (how === 'empty' ? stage.server.emptyNats() : stage.server.sameNats());
      const up = Date.now();
      await stage.server.until('a new call', oneCall, ({ successful }) => successful === 1, AGAIN_MS);
      console.log(`a new call worked ${Date.now() - up} ms after NATS was there again`);
      await whole(3);
      await wait(1000);
      hear(`NATS was started again ${how}`, since, UNNOTICED_MS);
      expect(await roster()).toBe(EVERYONE);
      expect(ports()).toHaveLength(2 * ALL);
    },
    40_000,
  );

  it('10 s in which agents and managers cannot reach each other: no call notices', async () => {
    const before = await whole(3);
    const since = Date.now();
    stage.server.part(/^sip-agent/);
    const { successful } = await oneCall(); // an agent is asked for it, and hears so when they are joined again
    console.log(`a call was refused ${Date.now() - since} ms after they were parted`);
    expect(successful).toBe(0);
    await wait(since + PARTED_MS - Date.now());
    stage.server.join();
    const joined = Date.now();
    const after = await whole(3);
    console.log(`whole again ${Date.now() - joined} ms after the partition`);
    await newCall();
    hear('agents and managers were parted', since, UNNOTICED_MS);
    const names = (all: readonly LegView[]): string[] => all.map(l => l.leg).sort();
    expect(names(after.legs), 'none was moved').toEqual(names(before.legs));
    expect(names((await whole(3)).legs)).toEqual(names(before.legs));
    expect(ports()).toHaveLength(2 * ALL);
  }, 40_000);

  it('10 s in which the front can reach nobody: no call notices', async () => {
    const since = Date.now();
    stage.server.part(/^sip-call/);
    await wait(PARTED_MS);
    stage.server.join();
    const joined = Date.now();
    await whole(3);
    console.log(`whole again ${Date.now() - joined} ms after the partition`);
    await newCall();
    hear('the front was parted from all others', since, UNNOTICED_MS);
    await whole(3);
  }, 40_000);

  it('kill -9 of the front: agents close its legs within 5 s, its successor hangs up on the phones', async () => {
    const from = phones.map(phone => phone.output.length);
    const since = Date.now();
    await stage.server.kill(FRONT);
    while (ports().length > 0 && Date.now() < since + AGAIN_MS) await wait(50);
    console.log(`no leg was left ${Date.now() - since} ms after the front was killed`);
    expect(ports()).toEqual([]);
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
