import { expect, test } from 'vitest';
import { SipWorld } from '../../../test/harness/sip-world.ts';
import { tortures } from './torture.testing.ts';

/** The first thing a lone endpoint says to `bytes`: 100 counts only when nothing follows by itself. */
function answerTo(bytes: Buffer): string {
  const world = new SipWorld({ seed: 4475 });
  const bridge = world.peer('10.0.0.2');
  const said: string[] = [];
  world.carry = (_from, _flow, sent) => said.push(sent.toString('latin1').slice(8, 11));
  world.inject(bridge, bytes.toString('latin1'));
  return said.find(status => status !== '100') ?? said[0] ?? '-';
}

test.each(tortures())('an endpoint answers "$name" with $answered', ({ bytes, answered }) => {
  expect(answerTo(bytes)).toBe(answered);
});
