import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pair, randomBytes, SERVER, SERVER_PORT } from './pair.testing.ts';
import { isReset, resetToken, showsToken, writeReset } from './reset.ts';
import { answerResume, callResume, isResume, isResumeAck, readResume, readResumeAck } from './resume.ts';
import { MAX_TICKET_BYTES, openTicket, sealTicket, TICKET_MS, type Ticket } from './ticket.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const random = randomBytes('resume.test');
const key = random(32);
const secret = random(32);
const data = { room: 'abc', participant: 'p-17', user: 'alice', seat: { leg: 'l-1', roles: ['send'] } };
const ticket: Ticket = { secret, suite: 'sm4-gcm', expiresUnixMs: TICKET_MS, data };
const sealed = sealTicket(ticket, key, random);
const open = (t: Uint8Array) => openTicket(t, key, 5);
const connection = Buffer.from('1122334455667788', 'hex');
const served = Buffer.from('8877665544332211', 'hex');
const plain = (datagram: Buffer): Buffer => datagram.subarray(0, -7);

describe('a ticket', () => {
  it('opens for who has the key, until it is over', () => {
    expect(open(sealed)).toEqual(ticket);
    expect(openTicket(sealed, key, TICKET_MS - 1)).toBeDefined();
    expect(openTicket(sealed, key, TICKET_MS)).toBeUndefined();
    expect(openTicket(sealed, random(32), 5)).toBeUndefined();
  });
  it('says nothing to who has not, and nothing of it can be changed', () => {
    expect(sealed.includes('alice')).toBe(false);
    expect(sealed.includes(secret)).toBe(false);
    for (let i = 0; i < sealed.length; i++) {
      const touched = Buffer.from(sealed);
      touched[i]! ^= 1;
      expect(open(touched)).toBeUndefined();
      expect(open(sealed.subarray(0, i))).toBeUndefined();
    }
  });
  it('that would not fit a datagram is a bug of who makes it', () => {
    const long = { ...ticket, data: 'x'.repeat(MAX_TICKET_BYTES) };
    expect(() => sealTicket(long, key, random)).toThrow(RangeError);
  });
});

describe('RESUME', () => {
  const call = callResume({ ticket: sealed, secret, connection }, random);
  it('brings both sides to the same new secret, which is not the old one', () => {
    expect([isResume(call.datagram), isResumeAck(call.datagram)]).toEqual([true, false]);
    const asked = readResume(plain(call.datagram), open)!;
    expect(asked.ticket.data).toEqual(data);
    expect(asked.theirs).toEqual(connection);
    const answer = answerResume(asked, { connection: served, ticket: sealed }, random);
    expect([isResume(answer.datagram), isResumeAck(answer.datagram)]).toEqual([false, true]);
    const resumed = readResumeAck(plain(answer.datagram), call)!;
    expect(resumed).toEqual({ secret: answer.secret, theirs: served, ticket: sealed });
    expect(resumed.secret).not.toEqual(secret);
    expect(answer.datagram.length).toBeLessThanOrEqual(3 * call.datagram.length);
  });
  it('that is repeated leads to keys its thief cannot make, and another answer fits no other call', () => {
    const asked = readResume(plain(call.datagram), open)!;
    const twice = [1, 2].map(() => answerResume(asked, { connection: served, ticket: sealed }, random));
    expect(twice[0]!.secret).not.toEqual(twice[1]!.secret);
    const other = callResume({ ticket: sealed, secret, connection }, random);
    expect(readResumeAck(plain(twice[0]!.datagram), other)).toBeUndefined();
    // The ticket alone, which everyone on the way has seen, is not enough.
    const thief = callResume({ ticket: sealed, secret: random(32), connection }, random);
    expect(readResume(plain(thief.datagram), open)).toBeUndefined();
  });
  it('touched, cut, or any bytes at all: nothing, and never a throw', () => {
    const asked = readResume(plain(call.datagram), open)!;
    const answer = plain(answerResume(asked, { connection: served, ticket: sealed }, random).datagram);
    const question = plain(call.datagram);
    // The last four bytes may be padding; the header's SSRC says nothing.
    for (let i = 0; i < question.length; i++) {
      if (i >= 4 && i < 8) continue;
      const touched = Buffer.from(question);
      touched[i]! ^= 1;
      const read = readResume(touched, open);
      if (i < question.length - 4) expect(read, `byte ${i}`).toBeUndefined();
      expect(readResume(question.subarray(0, i), open)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), fc.boolean(), (bytes, headed) => {
        if (headed && bytes.length >= 12) bytes.set(answer.subarray(0, 12));
        expect(readResumeAck(bytes, call)).toBeUndefined();
        if (headed && bytes.length >= 12) bytes.set(question.subarray(0, 12));
        expect(readResume(bytes, open)).toBeUndefined();
      }),
      { numRuns },
    );
  });
});

describe('RESET', () => {
  const process = random(32);
  const token = resetToken(process, Buffer.from('a1a2a3a4a5a6a7a8', 'hex'));
  it('is shorter than what it answers, and answers nothing shorter', () => {
    expect(writeReset(token, 36)).toHaveLength(35);
    expect(writeReset(token, 35)).toBeUndefined();
    expect(isReset(plain(writeReset(token, 99)!))).toBe(true);
    expect(showsToken(plain(writeReset(token, 99)!), token)).toBe(true);
    expect(showsToken(plain(writeReset(random(16), 99)!), token)).toBe(false);
  });
  it('ends the session it was made for, in words; a forged one is counted', () => {
    const p = new Pair(60, { reset: token }).connect();
    p.run(1000);
    const from = (bytes: Buffer) =>
      p.client.do((s, now) => s.receive(bytes, { kind: 'udp', address: SERVER, port: SERVER_PORT }, now));
    from(writeReset(random(16), 99)!);
    from(writeReset(resetToken(random(32), Buffer.from('a1a2a3a4a5a6a7a8', 'hex')), 99)!);
    expect(p.client.drops.get('forged-reset')).toBe(2);
    expect(p.client.session.state).toBe('active');
    p.server.do((s, now) =>
      s.receive(writeReset(token, 99)!, { kind: 'udp', address: '192.0.2.1', port: 40_000 }, now),
    );
    expect(p.server.session.state).toBe('active');
    from(writeReset(token, 99)!);
    expect(p.client.ended).toMatchObject({ blame: 'server', reason: 'session-unknown' });
  });
});
