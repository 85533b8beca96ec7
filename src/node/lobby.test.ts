import { beforeAll, beforeEach, expect, test } from 'vitest';
import { FakeSeat, silentLog } from '../../test/harness/fakes.ts';
import { ManualClock } from '../../test/harness/link.ts';
import type { LegRequest, Seat } from '../contract.ts';
import { readPrompt } from '../io/prompts.ts';
import { refuse } from '../kit/refusal.ts';
import type { LegNotice } from '../room/port.ts';
import { Lobby, type SeatedOrWaiting } from './lobby.ts';
import { Ticker } from './ticker.ts';

const REQUEST: LegRequest = {
  v: 1,
  leg: 'leg-1',
  trace: 't',
  gateway: 'sip',
  direction: 'in',
  room: '1000',
  roles: ['send', 'receive'],
  prompts: true,
  who: { user: 'bob', proof: 'claimed' },
  begin: { type: 'make-offer' },
};

let clock: ManualClock;
let lobby: Lobby;
let inside: FakeSeat;
let notices: LegNotice[];
/** Resume secrets of the room. */
let secrets: string[];
/** Loudest sample of every packet the caller hears. */
let heard: number;

// Virtual time runs faster than files are read.
beforeAll(async () => {
  for (const name of ['pin-please', 'pin-wrong', 'pin-too-many', 'welcome'] as const)
    await readPrompt('en', name);
});

beforeEach(() => {
  clock = new ManualClock();
  inside = new FakeSeat('1000', 'bob');
  notices = [];
  secrets = [];
  heard = 0;
  const seats = {
    async take({ who }: LegRequest) {
      if (who.credential !== '4711') throw refuse('client', 'wrong-pin', 'Room 1000 needs its PIN.');
      return { seat: inside as Seat, secret: 's' };
    },
  };
  const ticker = new Ticker(clock, error => {
    throw error;
  });
  lobby = new Lobby({ clock, ticker, log: silentLog, seats, languages: ['en'] });
});

/** A caller whose call is up and who listens. */
async function caller(): Promise<SeatedOrWaiting> {
  const seated = await lobby.take(
    REQUEST,
    n => notices.push(n),
    secret => secrets.push(secret),
  );
  const codec = { codec: 'PCMU', clockRate: 8000 } as const;
  seated.seat.want(
    { kind: 'mix', codec, ptimeMs: 20 },
    p => void (heard += silent(p.payload) ? 0 : 1),
    () => {},
  );
  seated.seat.confirmed();
  return seated;
}
const silent = (ulaw: Uint8Array): boolean => ulaw.every(byte => (byte & 0x7f) > 0x70);

/** Lets files be read and time pass, 20 ms at a time. */
async function pass(ms: number): Promise<void> {
  for (const end = clock.now() + ms; clock.now() < end; clock.advance(20)) await new Promise(setImmediate);
}
const press = (seated: SeatedOrWaiting, keys: string): void => {
  for (const digit of keys) seated.hear?.({ type: 'dtmf', digit, ms: 100, via: 'rtp' });
};

test('a caller hears a voice, presses the PIN, hears a word, and is in the room', async () => {
  const seated = await caller();
  expect(seated.seat.room).toMatch(/^lobby-/);
  await pass(3000);
  expect(heard).toBeGreaterThan(50); // a second of speech at least
  press(seated, '4711#');
  await pass(4000);
  expect(seated.seat.room).toBe('1000');
  expect(secrets).toEqual(['s']); // with which it may come back
  expect(inside).toMatchObject({ isConfirmed: true, subscriptions: [{ want: { kind: 'mix' } }] });
  expect(notices).toEqual([]);
  expect(lobby.size).toBe(0);
});

test('three wrong PINs: the leg is told to close, and nothing is left', async () => {
  const seated = await caller();
  await pass(1000);
  for (const wrong of ['1#', '2#', '3#']) {
    press(seated, wrong);
    await pass(100);
  }
  while (notices.length === 0) await pass(20);
  expect(notices).toMatchObject([{ type: 'close', why: { reason: 'wrong-pin' } }]);
  seated.seat.leave({ blame: 'client', reason: 'wrong-pin' });
  expect(lobby.size).toBe(0);
});

test('who hangs up while the PIN is looked at leaves nothing behind', async () => {
  const seated = await caller();
  await pass(1000);
  press(seated, '4711#');
  seated.seat.leave({ blame: 'none', reason: 'hung-up' });
  await pass(100);
  expect(inside.left?.reason).toBe('hung-up');
  expect(lobby.size).toBe(0);
});

test('who cannot be talked to is refused as before', async () => {
  const ask = { ...REQUEST, prompts: false };
  await expect(lobby.take(ask, () => {})).rejects.toMatchObject({ why: { reason: 'wrong-pin' } });
});
