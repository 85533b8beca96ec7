import { describe, expect, it } from 'vitest';
import type { LadderStep } from '../contract.ts';
import { Ladders } from './ladders.ts';

const step = (summary: string, text?: string): LadderStep => ({
  ...{ at: 1, dir: 'in', transport: 'udp', summary },
  ...(text !== undefined && { text }),
});

describe('Ladders', () => {
  it('keeps the steps of a leg in order, and knows no other leg', () => {
    const ladders = new Ladders(2);
    ladders.add('a', step('INVITE'));
    ladders.add('a', step('200'));
    expect(ladders.get('a')?.map(s => s.summary)).toEqual(['INVITE', '200']);
    expect(ladders.get('b')).toBeUndefined();
  });

  it('keeps the newest legs', () => {
    const ladders = new Ladders(2);
    for (const leg of ['a', 'b', 'c', 'b']) ladders.add(leg, step(leg));
    expect(['a', 'b', 'c'].map(leg => ladders.get(leg)?.length)).toEqual([undefined, 2, 1]);
  });

  it('of a call of endless messages 300 steps', () => {
    const ladders = new Ladders(2);
    for (let i = 0; i < 1000; i++) ladders.add('a', step('re-INVITE'));
    expect(ladders.get('a')).toHaveLength(300);
  });

  it('long messages push out the oldest legs, and never more is kept than may be', () => {
    const ladders = new Ladders(100, 1000);
    ladders.add('old', step('1', 'x'.repeat(499)));
    ladders.add('new', step('2', 'x'.repeat(399)));
    ladders.add('new', step('3', 'x'.repeat(399)));
    expect(ladders.get('old')).toBeUndefined();
    ladders.add('new', step('4', 'x'.repeat(399)));
    expect(ladders.get('new')?.map(s => s.summary)).toEqual(['2', '3']);
    ladders.add('newest', step('5', 'x'.repeat(899)));
    expect(ladders.get('new')).toBeUndefined();
    ladders.add('newest', step('6', 'x'.repeat(99)));
    expect(ladders.get('newest')).toHaveLength(2);
  });
});
