import { expect, test } from 'vitest';
import type { MemberInfo, RoomEvent } from '../contract.ts';
import { RoomWatch } from './room-watch.ts';

const member = (participant: string, display = participant): MemberInfo => ({
  participant,
  display,
  protocols: ['sip'],
  muted: { audio: false, video: false },
  state: 'here',
  tracks: [],
});

test('the first waits for the roster, a later one has it as it stands', () => {
  const watch = new RoomWatch();
  const first: RoomEvent[] = [];
  watch.add(e => void first.push(e));
  expect(first).toEqual([]);
  const events: RoomEvent[] = [
    { type: 'roster', members: [member('a'), member('b')] },
    { type: 'member', member: member('c') },
    { type: 'member', member: member('a', 'Anna') },
    { type: 'left', participant: 'b', why: { blame: 'none', reason: 'left' } },
    { type: 'text', from: 'c', text: 'hello' },
  ];
  for (const e of events) watch.told(e);
  expect(first).toEqual(events);
  const second: RoomEvent[] = [];
  const stop = watch.add(e => void second.push(e));
  expect(second).toEqual([{ type: 'roster', members: [member('a', 'Anna'), member('c')] }]);
  watch.told({ type: 'speaking', participants: ['a'] });
  stop();
  watch.told({ type: 'speaking', participants: [] });
  expect(second).toHaveLength(2);
  expect(watch.size).toBe(1);
});

test('after a pause the roster of before does not count', () => {
  const watch = new RoomWatch();
  watch.told({ type: 'roster', members: [member('a')] });
  watch.forget();
  const told: RoomEvent[] = [];
  watch.add(e => void told.push(e));
  expect(told).toEqual([]);
});
