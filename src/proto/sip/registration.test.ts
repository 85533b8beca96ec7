import { describe, expect, test } from 'vitest';
import type { OutsideRequest } from './events.ts';
import type { SipResponse } from './message.ts';
import { parseMessage } from './parse.ts';
import { Registration, type RegistrationOut } from './registration.ts';

function answer(status: number, headers = ''): SipResponse {
  const text =
    `SIP/2.0 ${status} Said\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n` +
    `To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n${headers}\r\n`;
  const p = parseMessage(Buffer.from(text));
  if (!p.ok || p.message.kind !== 'response') throw new Error('fixture');
  return p.message;
}
const challenge = (nonce: string, more = ''): SipResponse =>
  answer(401, `WWW-Authenticate: Digest realm="pbx", nonce="${nonce}", qop="auth"${more}\r\n`);

class World {
  readonly registration: Registration;
  now = 0;
  sent: OutsideRequest[] = [];
  told: RegistrationOut['type'][] = [];
  constructor(password: string | null = 'secret', expiresS = 600) {
    this.registration = new Registration({
      registrar: 'sip:pbx',
      aor: 'sip:100@pbx',
      contact: '100-abc',
      credentials: password === null ? undefined : { username: '100', password },
      expiresS,
      random: n => Buffer.alloc(n), // the shortest waits
    });
    this.feed({ type: 'start' });
  }
  feed(input: Parameters<Registration['handle']>[0]): void {
    this.registration.handle(input, this.now);
    for (let out = this.registration.poll(); out !== undefined; out = this.registration.poll())
      if (out.type === 'register') this.sent.push(out.request);
      else this.told.push(out.type);
  }
  answer(status: number, response?: SipResponse): void {
    this.feed({ type: 'answer', status, response });
  }
  get last(): OutsideRequest {
    return this.sent.at(-1)!;
  }
  header(name: string): string | undefined {
    return this.last.headers.find(([n]) => n === name)?.[1];
  }
  /** Until its next step. */
  wait(): void {
    this.now = this.registration.deadline;
    this.feed({ type: 'tick' });
  }
}

describe('REGISTER', () => {
  test('asks, answers the challenge, and refreshes before the time is over, same Call-ID, CSeq rising', () => {
    const w = new World();
    expect(w.last).toMatchObject({ method: 'REGISTER', uri: 'sip:pbx', to: 'sip:100@pbx', cseq: 1 });
    expect(w.header('Expires')).toBe('600');
    expect(w.header('Authorization')).toBeUndefined();
    w.answer(401, challenge('n1'));
    expect(w.header('Authorization')).toMatch(/nonce="n1".*nc=00000001/);
    w.answer(200, answer(200, 'Contact: <sip:100-abc@192.0.2.9>;expires=120, <sip:other@h>;expires=9\r\n'));
    expect(w.registration).toMatchObject({ up: true, state: 'registered', until: 120_000 });
    expect(w.registration.deadline).toBe(96_000);
    w.wait();
    // The last challenge is answered before it is made again, its nonce counted.
    expect(w.last.cseq).toBe(3);
    expect(w.last.callId).toBe(w.sent[0]!.callId);
    expect(w.header('Authorization')).toMatch(/nonce="n1".*nc=00000002/);
  });
  test('an old nonce is replaced, whether the registrar says stale or not', () => {
    for (const more of ['', ', stale=true']) {
      const w = new World();
      w.answer(401, challenge('n1'));
      w.answer(200, answer(200, 'Expires: 100\r\n'));
      w.wait();
      w.answer(401, challenge('n2', more));
      expect(w.header('Authorization')).toMatch(/nonce="n2".*nc=00000001/);
      w.answer(200, answer(200));
      expect(w.registration.up).toBe(true);
    }
  });
  test('a wrong password is not tried for ever, and the waits grow (RFC 5626 4.5)', () => {
    const w = new World();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      w.answer(401, challenge(`n${i}`));
      w.answer(401, challenge(`m${i}`));
      expect(w.registration).toMatchObject({ state: 'waiting', up: false, status: 401 });
      expect(w.registration.text).toContain('refused user name or password');
      waits.push(w.registration.deadline - w.now);
      w.wait();
    }
    expect(waits).toEqual([15_000, 30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000, 900_000]);
    expect(w.sent).toHaveLength(19);
  });
  test('423: the registrar’s minimum', () => {
    const w = new World();
    w.answer(423, answer(423, 'Min-Expires: 1800\r\n'));
    expect(w.header('Expires')).toBe('1800');
    for (let i = 0; i < 5; i++) w.answer(423, answer(423, `Min-Expires: ${2000 + i}\r\n`));
    expect(w.registration.state).toBe('waiting'); // it plays games
  });
  test('what is registered holds while a refresh fails, until its time is over', () => {
    const w = new World(null, 60);
    w.answer(200, answer(200, 'Expires: 60\r\n'));
    w.wait();
    expect(w.now).toBe(48_000);
    w.answer(408);
    expect(w.registration).toMatchObject({ up: true, state: 'waiting' });
    expect(w.registration.deadline).toBe(60_000);
    w.wait();
    expect(w.registration.up).toBe(false);
    w.answer(200, answer(200, 'Expires: 60\r\n'));
    expect(w.registration.up).toBe(true);
  });
  test('without a password a challenge says what to do', () => {
    const w = new World(null);
    w.answer(401, challenge('n'));
    expect(w.registration.text).toContain('set one for this account');
  });
  test('unregisters, challenged or not, and is gone', () => {
    const w = new World();
    w.answer(200, answer(200));
    w.feed({ type: 'stop' });
    expect(w.header('Expires')).toBe('0');
    w.answer(401, challenge('n'));
    expect(w.header('Expires')).toBe('0');
    w.answer(200, answer(200));
    expect(w.told.at(-1)).toBe('stopped');
    expect(w.registration.deadline).toBe(Number.POSITIVE_INFINITY);
  });
  test('never registered, it has nothing to take back', () => {
    const w = new World();
    w.answer(503);
    w.feed({ type: 'stop' });
    expect(w.sent).toHaveLength(1);
    expect(w.told.at(-1)).toBe('stopped');
  });
});
