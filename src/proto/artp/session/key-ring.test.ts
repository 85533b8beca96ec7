import { describe, expect, it } from 'vitest';
import { directionCipher } from '../keys.ts';
import { Keys, OLD_EPOCH_MS } from './key-ring.ts';

const secret = Buffer.alloc(32, 5);
const ring = (made: string[] = []) =>
  new Keys({
    secret,
    suite: 'aes-128-gcm',
    direction: 'from-client',
    cipher: (...a) => {
      made.push(`${a[1]} ${a[2]} ${a[4]}`);
      return directionCipher(...a);
    },
  });

describe('the ring of keys', () => {
  it('derives nothing before it is needed, and nothing twice', () => {
    const made: string[] = [];
    const keys = ring(made);
    expect(made).toEqual([]);
    keys.sealer('rtp');
    keys.sealer('rtp');
    keys.opener(0, 'rtcp');
    keys.opener(0, 'rtcp');
    expect(made).toEqual(['from-client 0 rtp', 'from-server 0 rtcp']);
  });

  it('goes on only when the other side has shown that it follows', () => {
    const keys = ring();
    expect(keys.nextEpoch()).toBe(false);
    keys.confirm(0);
    expect([keys.nextEpoch(), keys.nextEpoch(), keys.sendEpoch]).toEqual([true, false, 1]);
    keys.confirm(1);
    expect([keys.nextEpoch(), keys.sendEpoch]).toEqual([true, 2]);
  });

  it('opens the epoch before for five seconds, the next at once, and no other', () => {
    const keys = ring();
    const opens = (now: number) => {
      keys.now = now;
      return [254, 255, 0, 1, 2, 3].filter(e => keys.opener(e, 'rtp') !== undefined);
    };
    expect(opens(0)).toEqual([0, 1]);
    keys.opened(1, 100);
    expect(opens(100)).toEqual([0, 1, 2]);
    expect(opens(100 + OLD_EPOCH_MS - 1)).toEqual([0, 1, 2]);
    expect(opens(100 + OLD_EPOCH_MS)).toEqual([1, 2]);
    keys.opened(0, 9000); // late, and of no consequence
    expect(keys.receiveEpoch).toBe(1);
  });

  it('counts beyond what the low bits of an SSRC can say', () => {
    const keys = ring();
    for (let epoch = 1; epoch <= 600; epoch++) keys.opened(epoch & 255, epoch * 10_000);
    expect(keys.receiveEpoch).toBe(600);
    keys.now = 6_000_001;
    expect(keys.near(599 & 255)).toBe(599);
    expect(keys.near(601 & 255)).toBe(601);
    expect(keys.near(598 & 255)).toBeUndefined();
  });
});
