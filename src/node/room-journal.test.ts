import { expect, it } from 'vitest';
import type { SystemEvent } from '../bus/events.ts';
import type { MemberInfo } from '../contract.ts';
import { RoomJournal } from './room-journal.ts';

function journal() {
  const facts: string[] = [];
  const publish = (e: SystemEvent): void => void facts.push(`${e.type} ${e.participant ?? ''}`.trim());
  return { facts, journal: new RoomJournal({ publish }) };
}
const member = (participant: string, state: MemberInfo['state'] = 'here') => ({
  type: 'member' as const,
  member: {
    participant,
    display: participant,
    protocols: [],
    muted: { audio: false, video: false },
    state,
    tracks: [],
  },
});
const left = (participant: string, reason: string) => ({
  type: 'left' as const,
  participant,
  why: { blame: 'client' as const, reason },
});

it('tells who joined, went away, came back and left, once each', () => {
  const { facts, journal: j } = journal();
  j.note('1', { type: 'created' });
  for (const state of ['here', 'here', 'away', 'away', 'here'] as const) j.note('1', member('ann', state));
  j.note('1', left('ann', 'hung-up'));
  j.note('1', { type: 'ended' });
  expect(facts).toEqual([
    'room.created',
    'participant.joined ann',
    'participant.away ann',
    'participant.back ann',
    'participant.left ann',
    'room.ended',
  ]);
});

it('a move of the room is no fact, for those who were here nor for those who were away', () => {
  const { facts, journal: j } = journal();
  j.note('1', {
    type: 'taken-over',
    members: [
      { id: 'ann', state: 'here' },
      { id: 'bob', state: 'away' },
    ],
  });
  j.note('1', member('ann'));
  j.note('1', member('bob', 'away'));
  j.note('1', { type: 'given-up' });
  expect(facts).toEqual([]);
  j.note('1', { type: 'taken-over', members: [{ id: 'bob', state: 'away' }] });
  j.note('1', member('bob'));
  expect(facts).toEqual(['participant.back bob']);
});

it('nobody has left who is where the room goes on', () => {
  const { facts, journal: j } = journal();
  j.note('1', { type: 'taken-over', members: [{ id: 'ann', state: 'here' }] });
  j.note('1', left('ann', 'room-moved'));
  j.note('1', { type: 'given-up' });
  expect(facts).toEqual([]);
});
