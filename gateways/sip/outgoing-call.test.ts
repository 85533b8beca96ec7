import { describe, expect, test } from 'vitest';
import type { LegEvent } from '../../src/contract.ts';
import { sipNative } from './native.ts';
import { type HopName, OutgoingCallCore, type OutgoingIn, type OutgoingOut } from './outgoing-call.ts';

type Out = OutgoingOut<HopName>;
const hop = (name: string): HopName => ({ name, hasPassword: false });

/** One call with everything it said. */
class World {
  readonly core = new OutgoingCallCore<HopName>({ tryNextAfterMs: 4000, ringMs: 60_000 });
  out: Out[] = [];
  now = 0;
  constructor(...hops: string[]) {
    this.feed({ type: 'begin' });
    this.feed({ type: 'located', hops: hops.map(hop) });
    this.feed({ type: 'placed' });
    this.leg({ type: 'description', id: 0, native: sipNative('offer') });
  }
  feed(input: OutgoingIn<HopName> | { type: 'tick' }): void {
    this.core.handle(input, this.now);
    for (let out = this.core.poll(); out !== undefined; out = this.core.poll()) this.out.push(out);
  }
  leg(event: LegEvent): void {
    this.feed({ type: 'leg', event });
  }
  sip(
    event: Extract<OutgoingIn<HopName>, { type: 'sip' }>['event'],
    attempt = this.of('invite').length,
  ): void {
    this.feed({ type: 'sip', attempt, event });
  }
  failed(status: number): void {
    this.sip({ type: 'failed', call: 'c', status, reason: 'Said', response: undefined });
  }
  /** To its deadline. */
  wait(): void {
    this.now = this.core.deadline;
    this.feed({ type: 'tick' });
  }
  of<T extends Out['type']>(type: T): Extract<Out, { type: T }>[] {
    return this.out.filter((o): o is Extract<Out, { type: T }> => o.type === type);
  }
  get last(): string {
    return this.of('step').at(-1)?.step.text ?? '';
  }
}

describe('before the INVITE', () => {
  test('it waits for leg, description and address, in whatever order', () => {
    const w = new World('a');
    expect(w.of('invite')).toMatchObject([{ attempt: 1, hop: { name: 'a' }, sdp: 'offer' }]);
  });
  test('no leg: the call ends with the platform’s words; nothing is sent', () => {
    const core = new World();
    expect(core.of('invite')).toHaveLength(0);
    expect(core.core.state).toBe('ended'); // there was nowhere to go
  });
  test('a leg that closes meanwhile ends it', () => {
    const w = new World('a');
    w.leg({ type: 'closed', why: { blame: 'none', reason: 'kicked', text: 'Kicked.' } });
    expect(w.of('withdraw')).toHaveLength(1);
    expect(w.last).toBe('Kicked.');
  });
});

describe('one hop after the other', () => {
  test('silence passes a hop over, but not the last one', () => {
    const w = new World('a', 'b');
    expect(w.core.deadline).toBe(4000);
    w.wait();
    expect(w.of('withdraw')).toEqual([{ type: 'withdraw', attempt: 1 }]);
    expect(w.of('heard')).toMatchObject([{ hop: { name: 'a' }, heard: 'nothing' }]);
    expect(w.last).toBe('a said nothing for 4 s. Going on through b.');
    w.wait();
    expect(w.core.state).toBe('calling');
    expect(w.core.deadline).toBe(60_000);
    w.wait();
    expect(w.last).toContain('Nobody answered within 60 s');
  });
  test('a 100 gives a hop all its time; what an attempt that was passed over says is not heard', () => {
    const w = new World('a', 'b');
    w.wait();
    w.sip({ type: 'trying', call: 'c' });
    expect(w.core.deadline).toBe(60_000);
    w.sip({ type: 'progress', call: 'c', status: 180, sdp: undefined, toTag: 't' }, 1);
    expect(w.of('step').some(s => s.step.state === 'ringing')).toBe(false);
  });
  test.each([408, 503])('%d goes on before it rang, and not after', status => {
    const w = new World('a', 'b');
    w.failed(status);
    expect(w.of('invite')).toHaveLength(2);
    w.sip({ type: 'progress', call: 'c', status: 180, sdp: undefined, toTag: 't' });
    w.failed(status);
    expect(w.core.state).toBe('ended');
  });
  test('what the hops said stays readable when all fail', () => {
    const w = new World('a', 'b');
    w.failed(503);
    w.failed(503);
    expect(w.last).toContain('No connection to b could be made');
    expect(w.of('leg').at(-1)?.command.type).toBe('close');
    expect(w.of('abort')).toHaveLength(1);
  });
});

test('every end is told once, and nothing comes after it', () => {
  const w = new World('a');
  w.feed({ type: 'close', why: { blame: 'none', reason: 'x', text: 'Enough.' } });
  w.failed(486);
  w.feed({ type: 'close', why: { blame: 'none', reason: 'y' } });
  expect(w.of('step').filter(s => s.step.state === 'ended')).toHaveLength(1);
  expect(w.core.deadline).toBe(Number.POSITIVE_INFINITY);
});
