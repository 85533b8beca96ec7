import { expect, it, vi } from 'vitest';
import type { Json, Termination } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { NativeLeg } from './leg.ts';
import { eventually, World } from './world.testing.ts';

const AGENT_LEFT: Termination = {
  blame: 'server',
  reason: 'agent-lost',
  text: 'The process has been ended.',
};

it('a member knows an agent that came after it had joined, and goes there when its own has to leave it', async () => {
  const other = await World.open();
  const siblings: Json[] = [];
  const own = await World.open({}, { siblings: () => siblings });
  const { member, events } = await own.join();
  const told = vi.spyOn(NativeLeg.prototype, 'tellWays');
  siblings.push(other.agent.reach as Json);
  await eventually(() => expect(told).toHaveBeenCalled());
  await member.text('here'); // what it was told has come
  own.admit = async () => {
    throw refuse('server', 'draining', 'It takes no new legs.');
  };
  own.legs[0]?.handle({ type: 'close', why: AGENT_LEFT });
  await own.agent.close();
  await eventually(() => expect(events.map(e => e.type)).toContain('resumed'));
  expect(other.requests).toMatchObject([
    { who: { user: 'alice', proof: 'resumed', credential: 'resume-me' } },
  ]);
  expect(events.map(e => e.type)).not.toContain('ended');
  expect(member.participant).toBe('alice');
  await member.leave();
  for (const w of [own, other]) await w.close();
  told.mockRestore();
}, 20_000);

it('an agent that closes takes nobody back: who asked it would wait for a process that is gone', async () => {
  const clock = new VirtualClock();
  const own = await World.open({}, { clock });
  const ticking = setInterval(() => clock.run(5), 5);
  const { member } = await own.join();
  await member.text('here'); // the ticket came before
  clearInterval(ticking); // it is closing for as long as the test wants
  own.legs[0]?.handle({ type: 'close', why: AGENT_LEFT });
  const closed = own.agent.close();
  await eventually(() => expect(own.host.counts).toContain('refused/shutting-down'));
  expect(own.requests).toHaveLength(1);
  clock.run(1000);
  await closed;
  await member.leave();
}, 20_000);
