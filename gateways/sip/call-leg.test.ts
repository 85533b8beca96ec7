import { expect, test } from 'vitest';
import type { Host, LegCommand, LegEvent, LegRequest, PlacedLeg, Termination } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { CallLeg, type OfLeg } from './call-leg.ts';

const LOST: Termination = { blame: 'server', reason: 'agent-lost' };
const REPLACED: Termination = { blame: 'client', reason: 'replaced' };
const NO_AGENT: Termination = { blame: 'server', reason: 'no-agent' };

/** A platform that places where the test says, and what a call hears of its leg. */
function bench() {
  const heard: OfLeg[] = [];
  const sent: string[] = [];
  const legs: { id: string; say: (e: LegEvent) => void; native: unknown }[] = [];
  let refusal: Termination | undefined;
  let over = false;
  const place = async (
    { leg: id, begin }: Pick<LegRequest, 'leg' | 'begin'>,
    on: (e: LegEvent) => void,
  ): Promise<PlacedLeg> => {
    if (refusal !== undefined) throw new Refusal(refusal);
    const name = `${legs.length}`;
    legs.push({ id, say: on, native: begin.native });
    const send = (c: LegCommand): void => void sent.push(`${name} ${c.type}`);
    return { id, agent: 'a', participant: 'bob', secret: 's', send, again: place };
  };
  const host: Host = { ...fakeHost(), place };
  const leg = new CallLeg(
    host,
    e => void heard.push(e),
    () => over,
  );
  leg.place({
    trace: 't',
    direction: 'in',
    who: { user: 'bob', proof: 'claimed' },
    room: '1',
    sdp: 'X',
    srtp: 'off',
  });
  return {
    leg,
    heard,
    sent,
    legs,
    refuse: (why: Termination | undefined): void => void (refusal = why),
    end: (): void => void (over = true),
  };
}
const settle = () => new Promise(setImmediate);

test('on another agent: a new leg from what was said last, the newest will, and an end for the old one', async () => {
  const b = bench();
  await settle();
  b.leg.will('older');
  b.leg.will('newer');
  const first = b.leg.id;
  b.legs[0]?.say({ type: 'closed', why: LOST });
  b.leg.again('OURS', true);
  await settle();
  expect(b.leg.id).not.toBe(first);
  expect(b.legs[1]).toMatchObject({
    id: b.leg.id,
    native: { srtp: 'off', moved: { before: 'OURS', held: true } },
  });
  expect(b.sent).toEqual(['0 will', '0 will', '0 close', '1 will']);
  b.leg.send({ type: 'confirmed' });
  expect(b.sent.at(-1)).toBe('1 confirmed');
  expect(b.heard.map(e => e.type)).toEqual(['placed', 'leg', 'placed']);
});

test('what a leg says that is being left is not heard; without another one it is heard again', async () => {
  const b = bench();
  await settle();
  b.refuse(NO_AGENT);
  const first = b.leg.id;
  b.leg.again('OURS', false);
  b.legs[0]?.say({ type: 'want-offer', why: 'codec' });
  await settle();
  expect(b.heard.at(-1)).toEqual({ type: 'unplaced', why: NO_AGENT, stays: true });
  expect(b.leg.id).toBe(first);
  b.legs[0]?.say({ type: 'want-offer', why: 'codec' });
  expect(b.heard.at(-1)).toMatchObject({ type: 'leg' });
});

test('one that was replaced before its successor failed does not stay', async () => {
  const b = bench();
  await settle();
  b.refuse(NO_AGENT);
  b.leg.again('OURS', false);
  b.legs[0]?.say({ type: 'closed', why: REPLACED });
  await settle();
  expect(b.heard.slice(1)).toEqual([{ type: 'unplaced', why: NO_AGENT }]);
});

test('a leg that comes when the call is over is given back', async () => {
  const b = bench();
  b.end();
  await settle();
  expect(b.sent).toEqual(['0 close']);
  expect(b.heard).toEqual([]);
});
