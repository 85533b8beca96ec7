import { describe, expect, test } from 'vitest';
import { sipConfig } from './config.ts';
import { isWithin, networks } from './config-guard.ts';
import { type Fault, Guard } from './guard.ts';
import { Tally } from './guard-tally.ts';

const STRANGER = '198.51.100.7';

function guard(config: object = {}) {
  const counts: string[] = [];
  const said: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_: object, msg: string) => void said.push(msg) };
  const outside = { log, count: (name: string, reason: string) => void counts.push(`${name}/${reason}`) };
  const g = new Guard(outside, sipConfig.parse(config));
  const fail = (times: number, host = STRANGER, fault: Fault = 'auth', now = 0): void => {
    for (let i = 0; i < times; i++) g.fault(host, fault, now);
  };
  return { g, counts, said, fail };
}

describe('ban', () => {
  test('who keeps failing is not heard for a time, which is said once and counted', () => {
    const { g, counts, said, fail } = guard({ ban: { failuresPerMinute: 5, forSeconds: 100 } });
    fail(5);
    expect(g.admits(STRANGER, 0)).toBe(true);
    fail(3);
    expect(g.admits(STRANGER, 0)).toBe(false);
    expect(g.admits('198.51.100.8', 0)).toBe(true);
    expect(g.banned).toBe(1);
    expect(counts).toEqual(['banned/auth', 'dropped/banned']);
    expect(said).toEqual([
      '198.51.100.7 is not heard for 100 s: 5 wrong passwords, PINs or rooms, or malformed messages in a minute, the last was of the kind auth; if it belongs here, put it into sip.sources',
    ]);
    expect(g.admits(STRANGER, 99_999)).toBe(false);
    expect(g.admits(STRANGER, 100_000)).toBe(true);
    expect(g.banned).toBe(0);
  });

  test('a failure now and then is no reason', () => {
    const { g, fail } = guard({ ban: { failuresPerMinute: 5, forSeconds: 100 } });
    for (let s = 0; s < 3600; s += 15) fail(1, STRANGER, 'malformed', s * 1000);
    expect(g.admits(STRANGER, 3_600_000)).toBe(true);
  });

  test('never this host, the networks of the site, and those a trunk knows; never at all when so configured', () => {
    const { g, fail } = guard({ sources: ['203.0.113.0/24', '2001:db8::/32'] });
    g.alsoKnows(host => host === '192.0.2.9');
    for (const host of ['127.0.0.1', '::1', '203.0.113.200', '2001:db8:1::7', '192.0.2.9']) {
      fail(1000, host);
      expect(g.admits(host, 0), host).toBe(true);
    }
    const lax = guard({ ban: { failuresPerMinute: 0 } });
    lax.fail(1000);
    expect(lax.g.admits(STRANGER, 0)).toBe(true);
  });

  test('one IPv6 network is one source', () => {
    const { g, fail } = guard({ ban: { failuresPerMinute: 3 } });
    for (let i = 1; i <= 4; i++) fail(1, `2001:db8:0:1::${i}`);
    expect(g.admits('2001:db8:0:1:ffff::9', 0)).toBe(false);
    expect(g.admits('2001:db8:0:2::1', 0)).toBe(true);
  });

  test('ten million sources cost no more than ten thousand', () => {
    const tally = new Tally(1, 1000);
    for (let i = 0; i < 30_000; i++) tally.fail(`${i}`, 0, true);
    expect(tally.held).toBe(10_000);
    expect(tally.holds('29999', 0)).toBe(true);
    expect(tally.holds('1', 0)).toBe(false);
    tally.fail('new', 1000, true);
    expect(tally.held).toBe(1);
  });
});

test.each([
  ['friendly-scanner', false],
  ['sipvicious/0.3', false],
  ['pplsip', false],
  ['SIP-Scan', false],
  ['sipcli/v1.8', false],
  ['baresip v3.19', true],
  ['Linphonec/5.3', true],
  ['', true],
])('a program that says it is %j is answered: %s', (userAgent, answered) => {
  const { g, counts } = guard();
  expect(g.screens(userAgent, { host: STRANGER }, 0)).toBe(answered);
  expect(g.admits(STRANGER, 1)).toBe(answered);
  if (!answered) expect(counts.slice(0, 2)).toEqual(['dropped/scanner', 'banned/scanner']);
  expect(guard({ scanners: 'answer' }).g.screens(userAgent, { host: STRANGER }, 0)).toBe(true);
});

test('silence to those who are not known', () => {
  const { g, counts } = guard({ unknownSources: 'silent', sources: ['203.0.113.0/24'] });
  expect(g.admits(STRANGER, 0)).toBe(false);
  expect(counts).toEqual(['dropped/unknown-source']);
  expect(['203.0.113.1', '127.0.0.1'].map(h => g.admits(h, 0))).toEqual([true, true]);
});

test('wrong PINs in call after call: no more tries for a minute, also for those who are never banned', () => {
  const { g, counts } = guard({ sources: [STRANGER] });
  for (let i = 0; i < 11; i++) g.refused('wrong-pin', { host: STRANGER }, 'anna', 0);
  expect(g.mayTry(STRANGER, 'anna', 1000)).toBe(false);
  expect(g.mayTry(STRANGER, 'bob', 1000), 'another caller of the same PBX').toBe(true);
  expect(g.mayTry(STRANGER, 'anna', 60_000)).toBe(true);
  expect(counts).toEqual(['refused/too-many-tries']);
  const open = guard();
  for (let i = 0; i < 11; i++) open.g.refused('not-authorized', { host: STRANGER }, `name ${i}`, 0);
  expect(open.g.mayTry(STRANGER, 'yet another name', 0), 'a stranger may say any name').toBe(false);
  open.g.refused('room-full', { host: '192.0.2.1' }, 'x', 0);
  expect(open.g.mayTry('192.0.2.1', 'x', 0)).toBe(true);
});

test('a flood is cut off', () => {
  const { g, counts } = guard({ messagesPerSecond: 10 });
  const heard = Array.from({ length: 100 }, () => g.hears(STRANGER, 0)).filter(Boolean);
  expect(heard).toHaveLength(20);
  expect(counts.filter(c => c === 'dropped/flood')).toHaveLength(80);
});

test('networks', () => {
  const list = networks(['192.0.2.0/24', '198.51.100.1', '2001:db8::/32', '0.0.0.0/32'])!;
  const inside = ['192.0.2.255', '198.51.100.1', '2001:db8:ffff::1'];
  const outside = ['192.0.3.0', '198.51.100.2', '2001:db9::1', 'example.org', ''];
  expect(inside.every(h => isWithin(list, h))).toBe(true);
  expect(outside.some(h => isWithin(list, h))).toBe(false);
  for (const bad of ['', 'x', '1.2.3', '1.2.3.4/33', '::/129', '1.2.3.4/', '1.2.3.4/2/3', '1.2.3.4/-1'])
    expect(networks([bad]), bad).toBeUndefined();
});
