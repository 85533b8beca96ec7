import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from './command.ts';
import { type Dialer, dialCommand } from './dial.ts';

/** Runs `dial` with a dialer that only notes what it was asked. */
async function run(args: readonly string[], pass = true) {
  const asked: Parameters<Dialer>[0][] = [];
  let out = '';
  let errors = '';
  const dialer: Dialer = async (ask, say) => {
    asked.push(ask);
    say('calling');
    return { pass, json: { pass }, text: 'the table\n' };
  };
  const code = await runCli(['dial', ...args], [dialCommand(dialer)], {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (errors += text) },
    env: {},
  });
  return { code, asked, out, errors };
}

describe('dial', () => {
  it('asks for a tone of 440 Hz and five seconds unless told otherwise', async () => {
    const { code, asked, out } = await run(['sip:1000@host']);
    expect([code, out]).toEqual([0, 'the table\n']);
    const [soundOnly, expectPicture, insecure] = [false, false, false];
    expect(asked).toEqual([
      { target: 'sip:1000@host', toneHz: 440, seconds: 5, soundOnly, expectPicture, insecure },
    ]);
  });
  it('hands every option on', async () => {
    const { asked } = await run([
      'sip:1000@host',
      ...['--tone', '600', '--seconds', '2.5', '--expect-tone', '700', '--codec', 'pcma'],
      ...['--user', 'u', '--password', 'p', '--token', 't', '--expect-picture', '--insecure'],
    ]);
    expect(asked).toEqual([
      {
        target: 'sip:1000@host',
        toneHz: 600,
        seconds: 2.5,
        expectHz: 700,
        codec: 'PCMA',
        user: 'u',
        password: 'p',
        token: 't',
        soundOnly: false,
        expectPicture: true,
        insecure: true,
      },
    ]);
  });
  it('takes secrets out of files, where ps does not show them', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'dial-'));
    try {
      writeFileSync(join(dir, 'token'), 'secret\n');
      writeFileSync(join(dir, 'empty'), '\n');
      const { asked } = await run(['sip:x', '--token-file', join(dir, 'token')]);
      expect(asked[0]?.token).toBe('secret');
      expect((await run(['sip:x', '--token-file', join(dir, 'empty')])).errors).toMatch(/is empty/);
      const missing = await run(['sip:x', '--user', 'u', '--password-file', join(dir, 'none')]);
      expect(missing.errors).toMatch(/cannot be read \(ENOENT\)/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it('exits with 1 when a hop broke, and prints one JSON object if asked', async () => {
    expect(await run(['sip:x', '--json'], false)).toMatchObject({ code: 1, out: '{"pass":false}\n' });
  });
  it('leaves no signal handler behind', async () => {
    const before = process.listenerCount('SIGINT');
    await run(['sip:x']);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
  it.each([
    [[], /needs <target>/],
    [['sip:x', '--tone', '50'], /^--tone 50 is no tone a telephone carries/],
    [['sip:x', '--expect-tone', '440.5'], /whole Hz from 100 to 3600/],
    [['sip:x', '--seconds', '0'], /^--seconds 0 is not between 1 and 3600/],
    [['sip:x', '--codec', 'speex'], /--codec speex is none that rooms carry/],
    [['sip:x', '--password', 'p'], /--password needs --user/],
    [['sip:x', '--token', 't', '--token-file', 'f'], /--token and --token-file exclude each other/],
    [['sip:x', '--sound-only', '--expect-picture'], /exclude each other/],
  ])('misuse %j is one sentence', async (args, words) => {
    const { code, asked, errors } = await run(args);
    expect([code, asked]).toEqual([1, []]);
    expect(errors).toMatch(words);
  });
});
