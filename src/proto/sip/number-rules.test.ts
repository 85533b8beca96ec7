import { describe, expect, test } from 'vitest';
import { applyRules, bareNumber, isNumber, matchesPattern, toE164 } from './number-rules.ts';

const germany = { countryCode: '49', internationalPrefix: '00', nationalPrefix: '0' };

test.each([
  ['+4930123456', '+4930123456'],
  ['004930123456', '+4930123456'],
  ['030123456', '+4930123456'],
  ['1000', '1000'],
  ['*43#', '*43#'],
  ['anna', 'anna'],
])('%s as E.164 is %s', (number, expected) => expect(toE164(number, germany)).toBe(expected));

test('without a country code only the international prefix is understood', () => {
  const plan = { internationalPrefix: '011', nationalPrefix: '1' };
  expect(toE164('0114930123456', plan)).toBe('+4930123456');
  expect(toE164('12025550123', plan)).toBe('12025550123');
});

describe('rules', () => {
  test('the first that matches the whole number counts', () => {
    const rules = [
      { match: '\\+4930123(\\d{2})', to: '10$1' },
      { match: '.*', to: 'lobby' },
    ];
    expect(applyRules('+493012345', rules)).toBe('1045');
    expect(applyRules('+4930123456', rules)).toBe('lobby');
  });
  test('strip and prefix', () => {
    expect(applyRules('+4930123456', [{ match: '\\+49\\d+', strip: 3, prefix: '0' }])).toBe('030123456');
    expect(applyRules('1000', [{ match: '\\d+' }])).toBe('1000');
  });
  test('none', () => {
    expect(applyRules('1000', [])).toBeUndefined();
    expect(applyRules('1000', [{ match: '[' }])).toBeUndefined();
    expect(applyRules('1'.repeat(65), [{ match: '1*' }])).toBeUndefined();
  });
});

test('addresses that may be called', () => {
  expect(matchesPattern('sip:bob@Example.org', 'sip:*@example.org')).toBe(true);
  expect(matchesPattern('sip:bob@example.org.evil', 'sip:*@example.org')).toBe(false);
  expect(matchesPattern('sip:bob@evil@example.org', 'sip:*@example.org')).toBe(false);
  expect(matchesPattern('sip:bob@exampleXorg', 'sip:*@example.org')).toBe(false);
});

test('what keys can dial', () => {
  expect(isNumber(bareNumber('+49 (30) 123-456'))).toBe(true);
  expect(isNumber('+')).toBe(false);
  expect(isNumber('bob')).toBe(false);
});
