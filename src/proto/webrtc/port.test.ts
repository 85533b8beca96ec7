import { expect, test } from 'vitest';
import { kindOf, SharedPort } from './port.ts';

test('datagrams by their first byte, RFC 7983', () => {
  const kind = (first: number, length = 40) => kindOf(Buffer.alloc(length, first));
  expect([0, 3, 4, 19, 20, 63, 64, 127, 128, 191, 192, 255].map(b => kind(b))).toEqual([
    'stun',
    'stun',
    undefined,
    undefined,
    'dtls',
    'dtls',
    undefined,
    undefined,
    'media',
    'media',
    undefined,
    undefined,
  ]);
  expect(kind(0, 19)).toBeUndefined();
  expect(kind(22, 12)).toBeUndefined();
  expect(kindOf(Buffer.alloc(0))).toBeUndefined();
});

test('a peer is found by ufrag and by proved address; nothing stays when it leaves', () => {
  const port = new SharedPort<{ name: string }>();
  const [a, b] = [{ name: 'a' }, { name: 'b' }];
  const at = (n: number) => ({ address: '192.0.2.1', port: n });
  port.enter(a, ['ua']);
  port.enter(b, ['ub']);
  expect(port.path(a, at(1), 0)).toBe(true);
  expect(port.byUfrag('ua')).toBe(a);
  expect(port.byPath(at(1))).toBe(a);
  expect(port.byPath(at(2))).toBeUndefined();
  expect(port.path(a, at(1), 5000)).toBe(true);
  expect(port.path(b, at(1), 14_999)).toBe(false); // somebody may have forged the source
  expect(port.byPath(at(1))).toBe(a);
  expect(port.path(b, at(1), 15_000)).toBe(true); // the port was reused
  expect(port.byPath(at(1))).toBe(b);
  port.leave(a);
  expect(port.byPath(at(1))).toBe(b);
  port.enter(b, ['new', 'ub']);
  expect(port.byUfrag('new')).toBe(b);
  for (let n = 10; n < 40; n++) port.path(b, at(n), 15_000);
  expect(port.byPath(at(10))).toBeUndefined(); // 16 paths a peer
  expect(port.byPath(at(39))).toBe(b);
  port.leave(b);
  expect([port.byUfrag('new'), port.byUfrag('ub'), port.byPath(at(39))]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(port.path(b, at(1), 99_999)).toBe(false); // gone: not remembered
  expect(port.byPath(at(1))).toBeUndefined();
});
