import { expect, it } from 'vitest';
import type { MemberInfo } from '../../src/contract.ts';
import { rosterParts } from './roster.ts';

const member = (participant: string): MemberInfo => ({
  participant,
  display: '字'.repeat(1000),
  state: 'here',
  protocols: ['native'],
  muted: { audio: false, video: false },
  tracks: [],
});

it('is told in messages that fit, `more` on all but the last; an empty one, too', () => {
  expect(rosterParts([])).toEqual([{ t: 'roster', members: [], more: false }]);
  const all = Array.from({ length: 20 }, (_, i) => member(`m${i}`));
  const parts = rosterParts(all);
  expect(parts.length).toBeGreaterThan(3);
  for (const part of parts) expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThan(32 * 1024);
  expect(parts.map(p => p.t === 'roster' && p.more)).toEqual(parts.map((_, i) => i < parts.length - 1));
  expect(parts.flatMap(p => (p.t === 'roster' ? p.members : []))).toEqual(all);
});
