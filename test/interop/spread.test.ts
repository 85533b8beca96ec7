import { afterEach, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { sippLoad } from '../harness/peers/sipp-load.ts';
import { Stage } from '../harness/stage.ts';

const CALLS = 54;
const PHONES = 6;
const CALL_MS = 8000;

const suite = missing('baresip', 'sipp', 'nats-server') ? describe.skip : describe;

suite('three agents', () => {
  let stage: Stage | undefined;
  afterEach(async t => {
    stage?.tell(t.task);
    await stage?.close();
    stage = undefined;
  });

  it('54 calls of one second and 6 phones, placed by two managers: within 2 of even; a dead agent gets none', async t => {
    const roles = ['room', 'agent', 'sip-call,stomp,api', 'manager', 'manager 2'];
    stage = await Stage.open('three processes', '', [], roles);
    const s = stage;
    const end = t.onTestFinished;
    await Promise.all([s.server.another('agent 2'), s.server.another('agent 3')]);
    const agents = async () =>
      ((await s.server.api<{ agent: string; gateway: string; legs: number }[]>('GET', '/agents')) ?? [])
        .filter(a => a.gateway === 'sip')
        .map(({ agent, legs }) => ({ agent, legs }));
    await s.server.until('three agents', agents, a => a.length === 3);

    const load = sippLoad({
      ...{ dir: s.dir('load'), server: s.server.sip, calls: CALLS, perSecond: CALLS },
      ...{ callMs: CALL_MS, rooms: 6 },
    });
    const phones = Promise.all(
      Array.from({ length: PHONES }, (_, n) => s.phone(end, `phones-${n % 2}`, `phone${n}`, n)),
    );
    const spread = await s.server.until(
      'all calls are up',
      agents,
      a => a.reduce((sum, { legs }) => sum + legs, 0) === CALLS + PHONES,
    );
    console.log(`legs by agent: ${spread.map(a => a.legs).join(', ')}`);
    for (const { legs } of spread) expect(Math.abs(legs - (CALLS + PHONES) / 3)).toBeLessThanOrEqual(2);
    await phones;
    expect(await load).toMatchObject({ failed: 0 });

    // One dies: the phones it had go on elsewhere, and nothing new comes to it.
    const legs = async () =>
      (await s.server.api<{ room: string; agent: string }[]>('GET', '/legs'))?.filter(l =>
        l.room.startsWith('phones'),
      ) ?? [];
    const before = new Set((await agents()).map(a => a.agent));
    await s.server.kill('agent 3');
    const after = await s.server.until('two agents', agents, a => a.length === 2);
    for (const { agent } of after) before.delete(agent);
    const [dead] = [...before];
    expect(dead).toBeDefined();
    const all = await s.server.until(
      'all six on the two others',
      legs,
      l => l.length === PHONES && l.every(({ agent }) => agent !== dead),
    );
    expect(all).toHaveLength(PHONES);
    await s.phone(end, 'phones-0', 'late', 0);
    expect((await legs()).filter(l => l.agent === dead)).toEqual([]);
    expect(s.server.bugs()).toEqual([]);
  }, 60_000);
});
