import { expect, test } from 'vitest';
import type { LegEvent, LegRequest } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { LegTexts } from './leg-texts.ts';

function seated(seat = new FakeSeat('1000', 'bob'), text = async (..._: string[]): Promise<void> => {}) {
  const events: LegEvent[] = [];
  const said: string[][] = [];
  const host = fakeHost({
    room: {
      async mute() {},
      text: (...all) => {
        said.push(all);
        return text(...all);
      },
    },
  });
  const request = { room: '1000' } as LegRequest;
  const texts = new LegTexts({ host, request, seat, emit: e => void events.push(e) });
  const wrote = (from: string, text: string): void => {
    for (const on of seat.watchers) on({ type: 'text', from, text });
  };
  const settled = (): Promise<void> => new Promise(done => setImmediate(done));
  return { seat, texts, events, said, wrote, settled };
}

test('the room is watched only where the phone can show it; what others write is told', () => {
  const { seat, texts, events, wrote } = seated();
  expect(seat.watchers.size).toBe(0);
  texts.show(true);
  texts.show(true);
  expect(seat.watchers.size).toBe(1);
  wrote('alice', 'hello');
  wrote('bob', 'my own');
  for (const on of seat.watchers) on({ type: 'speaking', participants: ['alice'] });
  expect(events).toEqual([{ type: 'text', from: 'alice', text: 'hello' }]);
  texts.show(false);
  expect(seat.watchers.size).toBe(0);
  texts.show(true);
  texts.close();
  expect(seat.watchers.size).toBe(0);
});

test('what the phone writes is the member’s, and the answer comes back', async () => {
  const { texts, events, said, settled } = seated();
  texts.say(7, 'hello');
  await settled();
  expect(said).toEqual([['1000', 'bob', 'hello']]);
  expect(events).toEqual([{ type: 'said', id: 7 }]);
});

test('the room’s refusal comes back in words; not to a leg that has closed', async () => {
  const { texts, events, settled } = seated(undefined, async () => {
    throw refuse('client', 'no-such-room', 'There is no room 1000.');
  });
  texts.say(7, 'hello');
  await settled();
  expect(events).toEqual([
    { type: 'said', id: 7, why: { blame: 'client', reason: 'no-such-room', text: 'There is no room 1000.' } },
  ]);
  texts.say(8, 'hello');
  texts.close();
  await settled();
  expect(events).toHaveLength(1);
});

test('who is still asked for the PIN cannot write to the room', async () => {
  const { texts, events, said, settled } = seated(new FakeSeat('lobby-1', 'bob'));
  texts.say(1, 'hello');
  await settled();
  expect(said).toEqual([]);
  expect(events).toMatchObject([{ type: 'said', id: 1, why: { reason: 'not-permitted' } }]);
});
