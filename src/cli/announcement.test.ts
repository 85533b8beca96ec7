import { expect, test } from 'vitest';
import type { Platform } from '../config.ts';
import { announcement } from './announcement.ts';

const KEY = 'a-key-that-opens-the-api';
const node = {
  process: '3d1c0b2f2d94',
  addresses: [{ url: 'sip:1000@host:5060', what: 'SIP phones' }],
  admin: { key: KEY, file: '/data/admin.key' },
  selfSigned: false,
  roomsOpen: true,
};
const platform = (url?: string) =>
  ({ bus: { url }, roles: ['front', 'room'], region: 'eu' }) as unknown as Platform;

test('a person is shown the key that was made; a log is told where it is kept', () => {
  expect(announcement(node, platform(), true)).toContain(`${KEY}  (kept in /data/admin.key)\n`);
  expect(announcement(node, platform(), false)).toBe(
    [
      '  sip:1000@host:5060  SIP phones',
      'Admin key of the HTTP API: kept in /data/admin.key',
      'Rooms are open to everyone who reaches this host; set auth.apps to require tokens.',
      'Roombridge is ready.',
      '',
    ].join('\n'),
  );
});

test('a key of the config is shown to nobody', () => {
  for (const isTTY of [true, false]) {
    const said = announcement({ ...node, admin: { key: KEY } }, platform(), isTTY);
    expect(said).not.toContain(KEY);
    expect(said).toContain('auth.adminKey');
  }
});

test('one process of several says who it is, without the password of NATS', () => {
  const { process, selfSigned, roomsOpen } = node;
  const said = announcement(
    { process, selfSigned, roomsOpen, addresses: [] },
    platform('nats://me:secret@a:4222,nats://b:4222'),
    false,
  );
  expect(said).toBe(
    'Process 3d1c0b2f2d94 of region eu, for front, room; joined by nats://a:4222,nats://b:4222.\nRoombridge is ready.\n',
  );
});
