import { beforeEach, expect, test } from 'vitest';
import { PinDialogue, type PinDialogueIn, type PinDialogueOut } from './pin-dialogue.ts';

let now = 0;
let dialogue: PinDialogue;
const feed = (input: PinDialogueIn | { type: 'tick' }): PinDialogueOut[] => {
  dialogue.handle(input, now);
  const outs: PinDialogueOut[] = [];
  for (let out: PinDialogueOut | undefined; (out = dialogue.poll()) !== undefined; ) outs.push(out);
  return outs;
};
/** Runs to the next deadline. */
const wait = (): PinDialogueOut[] => {
  now = dialogue.deadline;
  return feed({ type: 'tick' });
};
const keys = (digits: string): PinDialogueOut[] =>
  [...digits].flatMap(digit => feed({ type: 'digit', digit })).filter(o => o.type !== 'quiet');
const play = (prompt: string): PinDialogueOut[] => [{ type: 'play', prompt } as PinDialogueOut];
const refused = (reason: string): PinDialogueOut[] =>
  feed({ type: 'refused', why: { blame: 'client', reason } });

beforeEach(() => {
  now = 0;
  dialogue = new PinDialogue('1000');
  feed({ type: 'answered' });
});

test('asks, takes keys up to #, and lets in after the welcome', () => {
  expect(wait()).toEqual(play('pin-please'));
  feed({ type: 'played' });
  expect(feed({ type: 'digit', digit: '1' })).toEqual([{ type: 'quiet' }]);
  expect(keys('234#')).toEqual([{ type: 'try', pin: '1234' }]);
  expect(feed({ type: 'right' })).toEqual(play('welcome'));
  expect(feed({ type: 'played' })).toEqual([{ type: 'enter' }]);
  expect(dialogue.deadline).toBe(Number.POSITIVE_INFINITY);
});

test('a key before the prompt is over counts; * begins again; who forgets # is understood', () => {
  wait();
  expect(keys('99*')).toEqual(play('pin-please'));
  expect(keys('12')).toEqual([]);
  expect(wait()).toEqual([{ type: 'try', pin: '12' }]);
});

test('three wrong ones end it', () => {
  wait();
  for (const prompt of ['pin-wrong', 'pin-wrong', 'pin-too-many']) {
    keys('0000#');
    expect(refused('wrong-pin')).toEqual(play(prompt));
  }
  expect(feed({ type: 'played' })).toEqual([
    { type: 'give-up', why: { blame: 'client', reason: 'wrong-pin' } },
  ]);
});

test.each([
  ['room-full', 'room-full'],
  ['room-locked', 'room-locked'],
  ['too-many-tries', 'pin-too-many'],
])('%s is said, and the call ends', (reason, prompt) => {
  wait();
  keys('1234#');
  expect(refused(reason)).toEqual(play(prompt));
  expect(feed({ type: 'played' })).toMatchObject([{ type: 'give-up', why: { reason } }]);
});

test('no key at all: asked three times, then told why', () => {
  for (let i = 0; i < 3; i++) {
    expect(wait()).toEqual(play('pin-please'));
    feed({ type: 'played' });
  }
  expect(wait()).toEqual(play('pin-too-many'));
  expect(feed({ type: 'played' })).toMatchObject([
    { type: 'give-up', why: { text: expect.stringContaining('DTMF') } },
  ]);
});

test('keys while the room is asked, and words out of season, change nothing', () => {
  wait();
  keys('1#');
  expect(keys('777#')).toEqual([]);
  expect(feed({ type: 'played' })).toEqual([]);
  expect(feed({ type: 'answered' })).toEqual([]);
});
