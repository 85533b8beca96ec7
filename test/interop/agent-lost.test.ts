import { afterEach, describe, expect, it } from 'vitest';
import { portsOf } from '../harness/artp-relay.ts';
import { type Child, missing } from '../harness/child.ts';
import { gapsByPort } from '../harness/gaps.ts';
import { heardMs, spansOf } from '../harness/heard.ts';
import { Capture } from '../harness/peers/capture.ts';
import { NativePeer } from '../harness/peers/native.ts';
import {
  bye,
  call,
  hungUp,
  pause,
  plainScenario,
  plays,
  reinvited,
  scenario,
} from '../harness/peers/sipp-scenario.ts';
import { type OnEnd, Stage, wait } from '../harness/stage.ts';

const [BOB, CAROL, DAVE, SIPP, ERIN, NORA] = [0, 1, 2, 3, 4, 5];
/** From the death of an agent until its phones hear again. */
const HEARD_AGAIN_MS = 5000;
/** A dead process is missed after three seconds of silence, and another one is sought for five. */
const GIVEN_UP_MS = 10_000;
/** From SIGTERM on. */
const EXIT_MS = 5000;

const suite = missing('baresip', 'sipp', 'tshark', 'nats-server') ? describe.skip : describe;

interface Member {
  readonly participant: string;
  readonly state: 'here' | 'away';
}

suite('kill -9 of an agent', () => {
  let stage: Stage | undefined;
  afterEach(async t => {
    stage?.tell(t.task);
    await stage?.close();
    stage = undefined;
  });

  const agents = async (s: Stage): Promise<string[]> =>
    ((await s.server.api<{ agent: string; gateway: string }[]>('GET', '/agents')) ?? [])
      .filter(a => a.gateway === 'sip')
      .map(a => a.agent)
      .sort();
  const legs = async (s: Stage, room: string) =>
    (await s.server.api<{ participant: string; agent: string }[]>('GET', `/legs?room=${room}`)) ?? [];

  it('its calls go on with another one: heard again within 5 s, and nobody has left', async t => {
    stage = await Stage.open('three processes');
    const s = stage;
    const end = t.onTestFinished;
    const [first] = (await agents(s)) as [string];
    const dave = await s.phone(end, 'go-on', 'dave', DAVE);
    // So much that whoever comes later is placed on another agent.
    await s.sipp(end, 'elsewhere', SIPP, {
      scenario: () => plainScenario(60_000),
      args: ['-m', '8', '-r', '20'],
    }); // prettier-ignore
    await s.server.until(
      'legs',
      () => legs(s, 'elsewhere'),
      l => l.length === 8,
    );
    await s.server.another('agent 2');
    await s.server.until(
      'two agents',
      () => agents(s),
      a => a.length === 2,
    );
    const second = (await agents(s)).find(a => a !== first) as string;
    await wait(1200); // the first has said how much it has
    const bob = await s.phone(end, 'go-on', 'bob', BOB);
    const carol = await s.phone(end, 'go-on', 'carol', CAROL, { codecs: 'pcma/8000/1' });
    const erin = await s.phone(end, 'go-on', 'erin', ERIN, {
      codecs: 'pcmu/8000/1',
      encryption: 'srtp-mand',
    });
    const sipp = await s.sipp(end, 'go-on', SIPP, {
      scenario: files =>
        scenario('moved', call(), plays(files), reinvited('m=audio [1-9]'), pause(4000), bye(2)),
    });
    const everyone = ['bob', 'carol', 'dave', 'erin', 'sipp'];
    await s.members('go-on', ...everyone);
    const placed = await legs(s, 'go-on');
    expect(
      placed
        .filter(l => l.agent === second)
        .map(l => l.participant)
        .sort(),
    ).toEqual(['bob', 'carol', 'erin', 'sipp']); // prettier-ignore
    await wait(1500);

    const sound = await Capture.start(s.dir('sound'), 'udp dst portrange 30000-32766');
    end(() => sound.stop());
    await wait(300);
    const roster = watchRoster(s, 'go-on');
    const killedAt = Date.now();
    await s.server.kill('agent 2');
    await s.server.until(
      'all four on the other agent',
      () => legs(s, 'go-on'),
      l => l.length === 5 && l.every(({ agent }) => agent === first),
    );
    await wait(2500);
    const seen = await roster();
    console.log(`roster: ${seen.join(' | ')}`);
    const packets = await sound.read('udp.port==1,rtp', 'udp', 'frame.time_epoch', 'udp.dstport');
    const gaps = gapsByPort(packets, killedAt);
    console.log(`silence after the kill, ms by phone: ${JSON.stringify(gaps)}`);

    // Away meanwhile, then here; never gone, and nobody came.
    for (const names of seen) expect(names.replace(/ (here|away)/g, '')).toBe(everyone.join(', '));
    expect(seen.some(r => r.includes('bob away'))).toBe(true);
    expect(seen.at(-1)).toBe(everyone.map(p => `${p} here`).join(', '));
    const moved = Object.values(gaps).filter(ms => ms > 1000);
    expect(moved, 'three phones were moved, dave was not').toHaveLength(3);
    expect(Math.max(...moved)).toBeLessThan(HEARD_AGAIN_MS);

    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await Promise.all([bob.stop(), carol.stop(), dave.stop(), erin.stop()]);
    // Each stretch of listening is a recording of its own: what they hear of each other since.
    for (const [phone, other] of [
      [bob, CAROL],
      [carol, BOB],
      [erin, DAVE],
      [dave, ERIN],
    ] as const) // prettier-ignore
      expect(heardMs(spansOf(phone.heard(), other))).toBeGreaterThan(1000);
    expect(heardMs(spansOf(await sipp.heard(), BOB))).toBeGreaterThan(2500);
    await s.gone('go-on');
    expect(s.server.bugs()).toEqual([]);
  }, 90_000);

  it('one that is emptied, or told to stop, gives its calls to another, and nobody notices', async t => {
    stage = await Stage.open('three processes');
    const s = stage;
    const end = t.onTestFinished;
    const [first] = (await agents(s)) as [string];
    const bob = await s.phone(end, 'drained', 'bob', BOB);
    const carol = await s.phone(end, 'drained', 'carol', CAROL, { codecs: 'pcmu/8000/1' });
    await s.members('drained', 'bob', 'carol');
    await s.server.another('agent 2');
    await s.server.until(
      'two agents',
      () => agents(s),
      a => a.length === 2,
    ); // prettier-ignore
    await wait(1500);

    const sound = await Capture.start(s.dir('sound'), 'udp dst portrange 30000-32766');
    end(() => sound.stop());
    await wait(300);
    const seen = watchRoster(s, 'drained');
    const since = Date.now();
    await s.server.api('POST', `/agents/${first}/drain`);
    await s.server.until(
      'both on the other agent',
      () => legs(s, 'drained'),
      l => l.length === 2 && l.every(({ agent }) => agent !== first),
    );
    await wait(2000);
    expect(await seen()).toEqual(['bob here, carol here']);
    const gaps = gapsByPort(
      await sound.read('udp.port==1,rtp', 'udp', 'frame.time_epoch', 'udp.dstport'),
      since,
    ); // prettier-ignore
    console.log(`silence while an agent was emptied, ms by phone: ${JSON.stringify(gaps)}`);
    expect(Object.keys(gaps)).toHaveLength(2);
    expect(Math.max(...Object.values(gaps))).toBeLessThan(1000);
    // The emptied one may end now: nothing hangs on it.
    await s.server.kill('agent');
    await wait(5000);
    expect(await s.server.participants('drained')).toEqual(['bob', 'carol']);
    await stopped(s, end);
    await Promise.all([bob.stop(), carol.stop()]);
    expect(heardMs(spansOf(bob.heard(), CAROL))).toBeGreaterThan(1000);
    expect(heardMs(spansOf(carol.heard(), BOB))).toBeGreaterThan(1000);
    expect(s.server.bugs()).toEqual([]);
  }, 90_000);

  /** `agent 2`, which has them all, is told to stop: so it gives them to the first, which was started again. */
  async function stopped(s: Stage, end: OnEnd): Promise<void> {
    const second = s.server.processes.get('agent 2') as Child;
    const { tlsPort, udpPort } = portsOf(/artp:\/\/\S+/.exec(second.output)?.[0] ?? '');
    const nora = await NativePeer.join(`artp://127.0.0.1:${tlsPort}/drained?udp=${udpPort}`, 'nora', NORA);
    end(() => nora.leave());
    await s.members('drained', 'bob', 'carol', 'nora');
    const [last] = await agents(s);
    await s.server.again('agent');
    const both = await s.server.until(
      'two agents',
      () => agents(s),
      a => a.length === 2,
    );
    const first = both.find(agent => agent !== last);
    const sound = await Capture.start(s.dir('sound'), 'udp dst portrange 30000-32766');
    end(() => sound.stop());
    await wait(300);
    const seen = watchRoster(s, 'drained');
    const since = Date.now();
    second.process.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    const tookMs = Date.now() - since;
    await wait(1000);
    expect(await seen()).toEqual(['bob here, carol here, nora here']);
    const gaps = gapsByPort(
      await sound.read('udp.port==1,rtp', 'udp', 'frame.time_epoch', 'udp.dstport'),
      since,
    ); // prettier-ignore
    console.log(`an agent was stopped in ${tookMs} ms; silence, ms by phone: ${JSON.stringify(gaps)}`);
    expect(tookMs).toBeLessThan(EXIT_MS);
    expect(Object.keys(gaps)).toHaveLength(2);
    expect(Math.max(...Object.values(gaps))).toBeLessThan(2000); // the other one has just been started
    expect(nora.events.map(e => e.type)).toContain('resumed');
    expect((await legs(s, 'drained')).map(l => l.agent.replace(/^native-/, 'sip-'))).toEqual([
      first,
      first,
      first,
    ]);
  }

  it('the only one: its calls end with a sentence when no other has come', async t => {
    stage = await Stage.open('three processes');
    const s = stage;
    const end = t.onTestFinished;
    const sipp = await s.sipp(end, 'alone', SIPP, {
      scenario: files => scenario('told', call(), plays(files), hungUp('media process of this leg has died')),
    });
    const bob = await s.phone(end, 'alone', 'bob', BOB);
    await s.members('alone', 'bob', 'sipp');
    const from = bob.output.length;
    await s.server.kill('agent');
    await bob.until(/session closed|terminated/i, GIVEN_UP_MS, from);
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await s.gone('alone'); // nobody stays away
    expect(s.server.bugs()).toEqual([]);
  }, 60_000);

  it('one that is started again takes its calls back', async t => {
    stage = await Stage.open('three processes');
    const s = stage;
    const end = t.onTestFinished;
    const bob = await s.phone(end, 'back', 'bob', BOB);
    const carol = await s.phone(end, 'back', 'carol', CAROL);
    await s.members('back', 'bob', 'carol');
    await s.server.kill('agent');
    await s.server.again('agent');
    await s.server.until(
      'both are back',
      () => legs(s, 'back'),
      l => l.length === 2,
    ); // prettier-ignore
    await wait(2500);
    await Promise.all([bob.stop(), carol.stop()]);
    expect(heardMs(spansOf(bob.heard(), CAROL))).toBeGreaterThan(1000);
    expect(heardMs(spansOf(carol.heard(), BOB))).toBeGreaterThan(1000);
    expect(s.server.bugs()).toEqual([]);
  }, 60_000);
});

/** Who is in a room, every 100 ms; called, it ends and tells each different answer. */
function watchRoster(s: Stage, room: string): () => Promise<string[]> {
  const seen: string[] = [];
  let watching = true;
  const watch = (async () => {
    while (watching) {
      const members = (await s.server.api<Member[]>('GET', `/rooms/${room}/participants`)) ?? [];
      const now = members
        .map(m => `${m.participant} ${m.state}`)
        .sort()
        .join(', '); // prettier-ignore
      if (seen.at(-1) !== now) seen.push(now);
      await wait(100);
    }
  })();
  return async () => {
    watching = false;
    await watch;
    return seen;
  };
}
