import { expect, test } from 'vitest';
import type { DialStep } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { type CallInto, transfer } from './transfer.ts';

/** A phone in room 1000 that asks for `to`; what it is told, in order. */
function asks(to: string, callInto: CallInto | undefined): unknown[][] {
  const told: unknown[][] = [];
  const call = {
    acceptRefer: (id: number) => void told.push(['accept', id]),
    refuseRefer: (id: number, status: number, o?: { headers?: readonly (readonly string[])[] }) =>
      void told.push(['refuse', id, status, o?.headers?.find(h => h[0] === 'Warning')?.[1]]),
    notify: (id: number, status: number) => void told.push(['notify', id, status]),
  };
  const e = { type: 'refer', call: 'c', id: 7, to, replaces: undefined, referredBy: undefined } as const;
  transfer(e, call, { room: '1000', self: { host: '192.0.2.1', port: undefined }, callInto });
  return told;
}
const settled = (): Promise<void> => new Promise(done => setImmediate(done));

test('off unless the operator allows it: 603, and how to allow it', () => {
  expect(asks('sip:bob@example.org', undefined)).toEqual([
    ['refuse', 7, 603, expect.stringContaining('sip.dialOut.transfers')],
  ]);
});

test('a room of ours is no target: 603, and what to do instead', () => {
  expect(asks('sip:2000@192.0.2.1:5060', () => Promise.reject(new Error('not asked')))).toEqual([
    ['refuse', 7, 603, expect.stringContaining('call it yourself')],
  ]);
});

test('a PBX beside us, at another port, is a target', async () => {
  const reached = asks('sip:2000@192.0.2.1:5080', () => Promise.reject(refuse('client', 'asked', 'It was.')));
  await settled();
  expect(reached).toEqual([['refuse', 7, expect.any(Number), expect.stringContaining('It was.')]]);
});

test('where calls out may not go the phone hears why', async () => {
  const told = asks('sip:0900@example.org', () =>
    Promise.reject(refuse('client', 'not-permitted', 'No trunk takes 0900.')),
  );
  await settled();
  expect(told).toEqual([['refuse', 7, 403, '399 roombridge "No trunk takes 0900."']]);
});

test('accepted, and every step is told', async () => {
  let say: (step: DialStep) => void = () => {};
  let asked: unknown;
  const told = asks('sip:bob@example.org', async (ask, on) => {
    asked = ask;
    say = on;
    return { leg: 'l', cancel() {} };
  });
  await settled();
  expect(asked).toEqual({ room: '1000', to: 'sip:bob@example.org', replaces: undefined });
  for (const step of [
    { state: 'ringing', status: 180 },
    { state: 'early', status: 183 },
    { state: 'up', status: 200 },
  ] as const)
    say({ at: 0, text: '', ...step });
  expect(told).toEqual([
    ['accept', 7],
    ['notify', 7, 180],
    ['notify', 7, 183],
    ['notify', 7, 200],
  ]);
});

test('a call that fails ends with its status, one that has none with 400', async () => {
  let say: (step: DialStep) => void = () => {};
  const told = asks('sip:bob@example.org', async (_, on) => {
    say = on;
    return { leg: 'l', cancel() {} };
  });
  await settled();
  say({ at: 0, text: '', state: 'ended', status: 486 });
  say({ at: 0, text: '', state: 'ended' });
  expect(told.slice(1)).toEqual([
    ['notify', 7, 486],
    ['notify', 7, 400],
  ]);
});
