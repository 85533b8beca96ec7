import { spawnSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog, prettyLine } from './log.ts';
import { maskFields, maskText } from './mask.ts';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJhcHAiOiJhIn0.c2lnbmF0dXJl';

test.each([
  ['rtmp://h/room/1000/a?token=abc&as=b', 'rtmp://h/room/1000/a?token=***&as=b'],
  ['sip:1000@h;token=abc;transport=tcp', 'sip:1000@h;token=***;transport=tcp'],
  [`Authorization: Bearer ${JWT}`, 'Authorization: Bearer ***'],
  [`the token ${JWT} is old`, 'the token *** is old'],
  ['nats://user:hush@bus:4222', 'nats://user:***@bus:4222'],
  ['Digest username="1:2:3", response="0123abcd", nc=1', 'Digest username="1:2:3", response="***", nc=1'],
  ['play tk_AAAAAAAAAAAAAAAAAAAAAA now', 'play *** now'],
  ['a=ice-pwd:abcdefgh\r\na=mid:0', 'a=ice-pwd:***\r\na=mid:0'],
  ['a=crypto:1 AES inline:WVNfX19zZW1jdGwgKCk=|2^20', 'a=crypto:1 AES inline:***|2^20'],
  ['room 1000, 200 OK', 'room 1000, 200 OK'],
])('%j is shown as %j', (text, shown) => expect(maskText(text)).toBe(shown));

test('fields are masked by name and by look, at any depth', () => {
  const masked = maskFields({
    leg: 'a',
    token: 'x',
    who: { user: 'alice', credential: 'x', urls: ['http://h/?token=x'] },
    pin: 1234,
    empty: null,
    data: Buffer.from('x'),
    err: new Error(`bad ${JWT}`),
  }) as Record<string, unknown>;
  expect(masked).toMatchObject({
    leg: 'a',
    token: '***',
    who: { user: 'alice', credential: '***', urls: ['http://h/?token=***'] },
    pin: '***',
    empty: null,
    data: '(1 bytes)',
    err: { type: 'Error', message: 'bad ***' },
  });
  expect(JSON.stringify(masked)).not.toContain(JWT);
});

test('a hostile text costs no more than its length', () => {
  for (const piece of [
    'a.',
    'eyJ-',
    'eyJaaaaa.',
    'x://',
    'Bearer ',
    'a:b',
    '?token=',
    'response="',
    'inline:',
  ])
    expect(maskText(piece.repeat(100_000)).length).toBeGreaterThan(0);
});

test('a field that contains itself ends', () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  expect(JSON.stringify(maskFields(loop))).toContain('…');
});

function collected(pretty: boolean): { log: ReturnType<typeof createLog>; text: () => string } {
  const lines: string[] = [];
  const to = new Writable({
    write(chunk, _e, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return {
    log: createLog({ level: 'info', pretty, to, base: { process: 'p1' } }),
    text: () => lines.join(''),
  };
}

test('JSON lines carry level, time, fields and text, masked, from the level on', () => {
  const { log, text } = collected(false);
  log.debug({}, 'unheard');
  log.child({ gateway: 'sip' }).warn({ leg: 'l1', token: 'hush' }, 'refused ?token=hush');
  const entry = JSON.parse(text()) as Record<string, unknown>;
  expect(entry).toMatchObject({
    level: 'warn',
    process: 'p1',
    gateway: 'sip',
    leg: 'l1',
    token: '***',
    msg: 'refused ?token=***',
  });
  expect(new Date(entry.time as string).getTime()).toBeGreaterThan(0);
});

test('lines for a person are plain, and a stranger cannot steer the terminal', () => {
  const { log, text } = collected(true);
  log.info({ leg: 'l1', name: 'two words', evil: '\u001b[2J' }, 'opened');
  expect(text()).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} info {2}opened {2}process=p1 {2}leg=l1 {2}name="two words" {2}evil=\\x1b\[2J\n$/,
  );
});

test('a stack stands below its line', () => {
  const line = prettyLine(
    JSON.stringify({ time: '', level: 'error', msg: 'bug', err: { stack: 'E: x\n at y' } }),
    false,
  );
  expect(line).toBe(' error bug\n    E: x\n     at y');
});

test('everything written is out when close resolves', () => {
  const script = `import { createLog } from './src/ops/log.ts';
    const log = createLog({ level: 'info', pretty: false });
    for (let i = 0; i < 500; i++) log.info({ i }, 'line');
    await log.close(); process.exit(0);`;
  const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  expect(run.stdout.trim().split('\n')).toHaveLength(500);
});
