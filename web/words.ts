import { EN, type Word, type Words } from './words.en.ts';
import { ZH } from './words.zh.ts';

export type { Word };
export const chinese = navigator.language.toLowerCase().startsWith('zh');
export const words: Words = chinese ? ZH : EN;

/** A word with its `{blanks}` filled in. */
export const say = (word: Word, blanks: Readonly<Record<string, string | number>>): string =>
  words[word].replace(/\{(\w+)\}/g, (all, name: string) => String(blanks[name] ?? all));

/** Reasons the server gives for a no or an end, and our word for each. */
const REASONS: Readonly<Record<string, Word>> = {
  kicked: 'kicked',
  banned: 'banned',
  replaced: 'replaced',
  'room-ended-by-host': 'ended',
  'shutting-down': 'shuttingDown',
  'room-lost': 'roomLost',
  'room-unreachable': 'roomLost',
  'room-full': 'roomFull',
  'room-locked': 'roomLocked',
  'wrong-pin': 'pinNeeded',
  'too-many-tries': 'tooManyTries',
  'too-many-requests': 'busy',
  'not-authorized': 'tokenNeeded',
  'not-permitted': 'notPermitted',
  'agent-full': 'busy',
  'no-agent': 'busy',
  draining: 'busy',
  busy: 'busy',
  'agents-silent': 'busy',
  'no-manager': 'busy',
  'no-room-node': 'busy',
  'no-responder': 'busy',
  'bus-down': 'busy',
  'too-many-rooms': 'busy',
  'port-unavailable': 'busy',
  'agent-lost': 'roomLost',
  'front-lost': 'roomLost',
  'link-lost': 'roomLost',
  'out-of-service': 'roomLost',
  'name-taken': 'renamed',
  'no-media': 'noMedia',
};

/** The sentence for a reason the server gave, or its own text where we have none. */
export function sentenceOf(reason: string, text: string): string {
  const word = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  return word === undefined ? text || words.lost : words[word];
}
