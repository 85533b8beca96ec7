import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { inProcessBus } from '../bus/in-process.ts';
import type { Bus } from '../bus/port.ts';
import type { LegRequest, TicketRequest } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal } from '../kit/refusal.ts';
import { Access } from '../ops/access.ts';
import { idOfTicket, Tickets } from '../ops/tickets.ts';
import { Admission } from './admission.ts';
import { sharedSecrets } from './secrets.ts';

const LIFE_MS = 300_000;
const ALICE = { room: '1000', user: 'alice', protocol: 'rtmp', role: 'publish' } as const;

let bus: Bus;
let nowMs: number;
beforeEach(() => {
  bus = inProcessBus({ clock: systemClock, onBug: error => expect.fail(String(error)), count: () => {} });
  nowMs = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => nowMs);
  return () => bus.close();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** One process of the system, and how it dies. */
function process(secret = sharedSecrets(bus)) {
  const tickets = new Tickets({ random: randomBytes, key: () => secret('ticket') });
  const access = new Access({ apps: [], adminKey: 'a', tickets });
  const admission = new Admission(access, tickets, bus);
  const issue = async (grant: TicketRequest & { secret?: string } = ALICE): Promise<string> => {
    await tickets.ready();
    return tickets.issue(grant, nowMs).token;
  };
  const push = async (credential: string, o: { room?: string; user?: string } = {}) => {
    const who = { user: o.user ?? 'alice', proof: 'claimed', credential } as const;
    const begin = { type: 'make-offer' } as const;
    const leg: LegRequest = {
      v: 1,
      leg: 'l',
      trace: 't',
      gateway: 'rtmp',
      direction: 'in',
      room: o.room ?? '1000',
      roles: ['send'],
      begin,
      who,
    };
    return admission.authorize(leg).catch((e: unknown) => {
      if (e instanceof Refusal) return e.why.text;
      throw e;
    });
  };
  return { issue, push, kill: () => admission.close() };
}

const REFUSED = 'The token is not good for this room and user, or is too old; ask for a new one.';

it('a ticket is good at every process, and after its issuer was killed', async () => {
  const [issuer, other] = [process(), process()];
  const ticket = await issuer.issue({ ...ALICE, secret: 'resume' });
  expect(await other.push(ticket)).toMatchObject({ user: 'alice', proof: 'ticket', credential: 'resume' });
  issuer.kill();
  const newcomer = process();
  for (const p of [other, newcomer])
    expect(await p.push(ticket)).toMatchObject({ user: 'alice', proof: 'ticket', credential: 'resume' });
});

it('forged, expired, of another room or user, or of another system: refused alike', async () => {
  const [issuer, other] = [process(), process()];
  const ticket = await issuer.issue();
  issuer.kill();
  const flipped = [...ticket].map(
    (c, i) => ticket.slice(0, i) + (c === 'A' ? 'B' : 'A') + ticket.slice(i + 1),
  );
  const key = randomBytes(32);
  const foreign = await process(async () => key).issue();
  const answers = new Set<unknown>();
  for (const bad of [...flipped.slice(3, 9), ticket.slice(0, -1), `${ticket}A`, `${ticket}=`, 'tk_', foreign])
    answers.add(await process().push(bad));
  answers.add(await other.push(ticket, { room: '1001' }));
  answers.add(await other.push(ticket, { user: 'bob' }));
  nowMs += LIFE_MS + 24 * 3_600_000;
  answers.add(await process().push(ticket));
  expect([...answers]).toEqual([REFUSED]);
  for (const bad of flipped.slice(3)) expect(await process().push(bad)).toBe(REFUSED);
});

it('an expired one is for the seat to judge; its issuer knows when nobody came in with it', async () => {
  const [issuer, other] = [process(), process()];
  const [used, unused] = [await issuer.issue(), await issuer.issue()];
  await other.push(used);
  await new Promise(done => setImmediate(done)); // the bus has told the issuer
  nowMs += LIFE_MS;
  for (const p of [issuer, other, process()]) expect(await p.push(used)).toMatchObject({ returning: true });
  expect(await issuer.push(unused)).toBe(REFUSED);
});

it('tells nothing, and fits an address: no word of what it permits can be read', async () => {
  const ticket = await process().issue({ ...ALICE, participant: 'alice', secret: 's'.repeat(22) });
  expect(ticket).toMatch(/^tk_[\w-]+$/);
  expect(ticket.length).toBeLessThan(300);
  expect(Buffer.from(ticket.slice(3), 'base64url').toString('latin1')).not.toMatch(/alice|1000|rtmp|sss/);
  const longest = await process().issue({ ...ALICE, room: '房'.repeat(128), user: '名'.repeat(128) });
  expect(await process().push(longest, { room: '房'.repeat(128), user: '' })).toMatchObject({
    proof: 'ticket',
  });
  expect(idOfTicket(ticket)).toHaveLength(19);
});

it('the store was lost, and another key is agreed on: tickets of before are good where they were', async () => {
  let key = randomBytes(32);
  const secret = async (): Promise<Buffer> => key;
  const p = process(secret);
  const before = await p.issue();
  key = randomBytes(32);
  expect(await p.push(await p.issue())).toMatchObject({ proof: 'ticket' });
  expect(await p.push(before)).toMatchObject({ proof: 'ticket' });
  expect(await process(secret).push(before)).toBe(REFUSED);
});
