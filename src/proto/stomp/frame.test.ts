import { describe, expect, it } from 'vitest';
import { readFrame, STOMP_LIMITS, writeFrame } from './frame.ts';

const read = (text: string) => readFrame(Buffer.from(text));

describe('readFrame', () => {
  it('command, headers and a body up to NUL', () => {
    expect(read('SEND\ndestination:/room/1\nx:y:z\n\nhello\0')).toEqual({
      frame: { command: 'SEND', headers: { destination: '/room/1', x: 'y:z' }, body: 'hello' },
    });
  });

  it('carriage returns before line feeds, and line feeds around the frame', () => {
    expect(read('\r\n\nCONNECT\r\nlogin:a\r\n\r\n\0\r\n\n')).toEqual({
      frame: { command: 'CONNECT', headers: { login: 'a' }, body: '' },
    });
  });

  it('content-length counts bytes, and lets NUL into the body', () => {
    const body = 'é\0x';
    expect(read(`SEND\ncontent-length:4\n\n${body}\0`)).toMatchObject({ frame: { body } });
  });

  it.each([
    ['a line feed', '\n'],
    ['nothing', ''],
    ['several', '\r\n\n'],
  ])('%s is a heart-beat', (_, text) => expect(read(text)).toEqual({ heartbeat: true }));

  it('of a repeated header the first counts', () => {
    expect(read('SEND\na:1\na:2\n\n\0')).toMatchObject({ frame: { headers: { a: '1' } } });
  });

  it('escapes are undone, but not in CONNECT', () => {
    const lines = 'a\\cb:c\\n\\r\\\\d\n\n\0';
    expect(read(`SEND\n${lines}`)).toMatchObject({ frame: { headers: { 'a:b': 'c\n\r\\d' } } });
    expect(read(`CONNECT\n${lines}`)).toMatchObject({ frame: { headers: { 'a\\cb': 'c\\n\\r\\\\d' } } });
  });

  it('header names of Object.prototype are plain names', () => {
    const got = read('SEND\n__proto__:a\nconstructor:b\n\n\0');
    expect('frame' in got && Object.entries(got.frame.headers)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  it.each([
    ['no line at all', 'SEND', 'the command line does not end'],
    ['headers without end', 'SEND\na:b\n', 'the headers do not end'],
    ['a header without colon', 'SEND\nab\n\n\0', 'a header is not name:value'],
    ['a header without name', 'SEND\n:b\n\n\0', 'a header is not name:value'],
    ['an unknown escape', 'SEND\na:\\t\n\n\0', 'a header is not name:value'],
    ['an escape of nothing', 'SEND\na:b\\\n\n\0', 'a header is not name:value'],
    ['no NUL', 'SEND\n\nbody', 'the body does not end where it should'],
    [
      'a length beyond the frame',
      'SEND\ncontent-length:9\n\nbody\0',
      'the body does not end where it should',
    ],
    [
      'a length short of the NUL',
      'SEND\ncontent-length:2\n\nbody\0',
      'the body does not end where it should',
    ],
    ['a length that is none', 'SEND\ncontent-length:-1\n\n\0', 'the body does not end where it should'],
    ['two frames in one message', 'SEND\n\n\0SEND\n\n\0', 'something follows the end of the frame'],
  ])('%s is junk', (_, text, junk) => expect(read(text)).toEqual({ junk }));

  it('holds its limits', () => {
    const headers = (n: number) => Array.from({ length: n }, (_, i) => `h${i}:v\n`).join('');
    expect(read(`SEND\n${headers(STOMP_LIMITS.headers)}\n\0`)).toHaveProperty('frame');
    expect(read(`SEND\n${headers(STOMP_LIMITS.headers + 1)}\n\0`)).toHaveProperty('junk');
    expect(read(`SEND\na:${'x'.repeat(STOMP_LIMITS.lineBytes)}\n\n\0`)).toHaveProperty('junk');
    expect(read(`SEND\n\n${'x'.repeat(STOMP_LIMITS.frameBytes)}\0`)).toHaveProperty('junk');
  });
});

describe('writeFrame', () => {
  it('escapes headers and counts the bytes of the body', () => {
    expect(writeFrame('MESSAGE', { 'a:b': 'c\n\\' }, 'é')).toBe(
      'MESSAGE\na\\cb:c\\n\\\\\ncontent-length:2\n\né\0',
    );
  });
  it('CONNECTED is not escaped, for clients of older versions', () => {
    expect(writeFrame('CONNECTED', { server: 'a\\b' })).toBe('CONNECTED\nserver:a\\b\n\n\0');
  });
});
