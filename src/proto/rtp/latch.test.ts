import { expect, test } from 'vitest';
import { Latch } from './latch.ts';

const publicPhone = { address: '198.51.100.7', port: 4000 };

test('a public phone is heard from its signalled host only, at whatever port its NAT chose', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal(publicPhone, 0);
  expect(latch.target).toEqual(publicPhone);
  expect(latch.accept('203.0.113.66', 4000, 1)).toBe(false);
  expect(latch.accept('198.51.100.7', 61000, 2)).toBe(true);
  expect(latch.target).toEqual({ address: '198.51.100.7', port: 61000 });
  expect(latch.accept('198.51.100.7', 61001, 3)).toBe(false);
});

test('the exact signalled address displaces another port of the same host', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal(publicPhone, 0);
  expect(latch.accept('198.51.100.7', 4010, 1)).toBe(true);
  expect(latch.accept('198.51.100.7', 4000, 2)).toBe(true);
  expect(latch.accept('198.51.100.7', 4010, 3)).toBe(false);
});

test('a phone behind NAT that signals 192.168.x is heard from its public address, and nobody takes it over', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal({ address: '192.168.1.20', port: 4000 }, 0);
  expect(latch.accept('198.51.100.7', 50123, 10)).toBe(true);
  expect(latch.target).toEqual({ address: '198.51.100.7', port: 50123 });
  for (let at = 20; at < 60_000; at += 1000) {
    expect(latch.accept('203.0.113.66', 9, at)).toBe(false);
    expect(latch.accept('198.51.100.7', 50123, at)).toBe(true);
  }
});

test('a stranger who was first gives way to the host the signalling comes from, and that to the signalled address', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal({ address: '192.168.1.20', port: 4000 }, 0);
  expect(latch.accept('203.0.113.66', 9, 1)).toBe(true);
  expect(latch.accept('198.51.100.7', 50123, 2)).toBe(true);
  expect(latch.accept('203.0.113.66', 9, 3)).toBe(false);
  expect(latch.accept('192.168.1.20', 4000, 4)).toBe(true);
  expect(latch.accept('198.51.100.7', 50123, 5)).toBe(false);
});

test('media of a proxy: the signalled host differs from the signalling, so the first source is heard', () => {
  const latch = new Latch('192.0.2.1');
  latch.signal(publicPhone, 0);
  expect(latch.accept('203.0.113.9', 7000, 1)).toBe(true);
  expect(latch.accept('203.0.113.10', 7000, 2)).toBe(false);
  expect(latch.accept('198.51.100.7', 4000, 3)).toBe(true);
});

test('before the answer the first source is heard; the answer may disown it', () => {
  const latch = new Latch('198.51.100.7');
  expect(latch.target).toBeUndefined();
  expect(latch.accept('203.0.113.66', 9, 1)).toBe(true);
  expect(latch.target).toEqual({ address: '203.0.113.66', port: 9 });
  latch.signal(publicPhone, 2);
  expect(latch.accept('203.0.113.66', 9, 3)).toBe(false);
  expect(latch.target).toEqual(publicPhone);
});

test('a re-INVITE with a new address moves the stream, although old packets still come', () => {
  const latch = new Latch('192.0.2.1');
  latch.signal({ address: '192.168.1.20', port: 4000 }, 0);
  expect(latch.accept('198.51.100.7', 50000, 1)).toBe(true);
  latch.signal({ address: '10.0.0.3', port: 4000 }, 1000);
  expect(latch.accept('198.51.100.7', 50000, 1020)).toBe(true);
  expect(latch.accept('203.0.113.5', 41000, 1040)).toBe(true);
  expect(latch.accept('198.51.100.7', 50000, 1060)).toBe(false);
});

test('a re-INVITE without a change opens the latch only while the old source is silent', () => {
  const latch = new Latch('192.0.2.1');
  const phone = { address: '192.168.1.20', port: 4000 };
  latch.signal(phone, 0);
  latch.accept('198.51.100.7', 50000, 1);
  latch.signal(phone, 1000);
  expect(latch.accept('198.51.100.7', 50000, 1001)).toBe(true);
  expect(latch.accept('203.0.113.66', 9, 1002)).toBe(false);
  latch.signal(phone, 2000);
  expect(latch.accept('198.51.100.7', 50777, 2001)).toBe(true);
  expect(latch.accept('198.51.100.7', 50000, 2002)).toBe(false);
});

test('an unspecified address (hold in the old style) keeps the stream where it is', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal(publicPhone, 0);
  latch.accept('198.51.100.7', 4000, 1);
  latch.signal(undefined, 1000);
  expect(latch.target).toEqual(publicPhone);
  expect(latch.accept('198.51.100.7', 4000, 1001)).toBe(true);
  latch.signal(publicPhone, 2000);
  expect(latch.accept('203.0.113.66', 9, 2001)).toBe(false);
  expect(latch.accept('198.51.100.7', 4000, 2002)).toBe(true);
});

test('an authentic packet takes the stream from wherever it comes, and keeps it', () => {
  const latch = new Latch('198.51.100.7');
  latch.signal(publicPhone, 0);
  expect(latch.accept('198.51.100.7', 4000, 1)).toBe(true);
  latch.prove('203.0.113.66', 5000);
  expect(latch.target).toEqual({ address: '203.0.113.66', port: 5000 });
  expect(latch.accept('198.51.100.7', 4000, 2)).toBe(false);
  latch.prove('198.51.100.7', 4000);
  expect(latch.target).toEqual(publicPhone);
});
