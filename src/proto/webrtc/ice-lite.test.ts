import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { IceLite, iceCredentials } from './ice-lite.ts';
import { type CheckOptions, makeCheck } from './stun.testing.ts';
import { readStun, type StunMessage } from './stun.ts';

const from = { address: '192.0.2.9', port: 4000 };
const old = { ufrag: 'ours', pwd: 'the password of ours' };
const check = (change: Partial<CheckOptions> = {}): StunMessage =>
  readStun(makeCheck({ username: 'ours:theirs', password: old.pwd, ...change })) as StunMessage;

test('credentials are long enough and of the right letters', () => {
  const { ufrag, pwd } = iceCredentials(randomBytes);
  expect(ufrag).toMatch(/^[A-Za-z0-9+/]{8}$/);
  expect(pwd).toMatch(/^[A-Za-z0-9+/]{24}$/);
});

test('answers who knows the password, nobody else', () => {
  const ice = new IceLite(old, 0);
  expect(ice.check(check(), from, 5)).toMatchObject({ valid: true, nominated: false });
  expect(ice.check(check({ password: 'another' }), from, 6)).toBe('forged');
  expect(ice.check(check({ username: 'others:theirs' }), from, 6)).toBe('wrong-ufrag');
  expect(ice.check(check({ type: 0x0111 }), from, 6)).toBe('not-a-request');
  expect(ice.consentUntil).toBe(30_005);
});

test('refuses unknown attributes and a peer that wants us to control, without consent', () => {
  const ice = new IceLite(old, 0);
  for (const type of [0x7777, 0x8029])
    expect(
      ice.check(check({ more: [{ type, value: Buffer.alloc(8) }], useCandidate: true }), from, 9),
    ).toMatchObject({ valid: false });
  expect(ice.nominated).toBeUndefined();
  expect(ice.consentUntil).toBe(30_000);
});

test('the pair nominated last is used', () => {
  const ice = new IceLite(old, 0);
  ice.check(check({ useCandidate: true }), from, 1);
  const other = { address: '2001:db8::1', port: 5 };
  ice.check(check(), other, 2);
  expect(ice.nominated).toEqual(from);
  ice.check(check({ useCandidate: true }), other, 3);
  expect(ice.nominated).toEqual(other);
});

test('restart: both credentials are answered until a pair is nominated with the new', () => {
  const ice = new IceLite(old, 0);
  ice.check(check({ useCandidate: true }), from, 1);
  const fresh = { ufrag: 'newer', pwd: 'the new password, longer' };
  ice.restart(fresh);
  expect(ice.ufrags).toEqual(['newer', 'ours']);
  const elsewhere = { address: '192.0.2.77', port: 7 };
  expect(ice.check(check({ useCandidate: true }), elsewhere, 2)).toMatchObject({
    valid: true,
    nominated: false,
  });
  expect(ice.nominated).toEqual(from); // the old session nominates nothing any more
  const renewed = check({ username: 'newer:x', password: fresh.pwd, useCandidate: true });
  expect(ice.check(renewed, elsewhere, 3)).toMatchObject({ nominated: true });
  expect(ice.nominated).toEqual(elsewhere);
  expect(ice.check(check(), from, 4)).toBe('wrong-ufrag');
});
