import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refuse } from '../../../src/kit/refusal.ts';
import { World } from '../world.testing.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const README = readFileSync(new URL('README.md', import.meta.url), 'utf8');
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);

let world: World;
let program = '';
beforeAll(async () => {
  world = await World.open();
  const written = /```ts\n([\s\S]*?)```/.exec(README)?.[1] ?? '';
  program = (await transform(written, { loader: 'ts', format: 'esm' })).code;
});
afterAll(() => world.close());

const run = (url: string) => {
  const args = ['--import', 'tsx', '--input-type', 'module', '--eval', program];
  const env = { ...process.env, ROOM_URL: url, ROOM_TOKEN: 't0ken' };
  return promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
};

/** The room: a mix for whoever wants one. */
function mixing(): () => void {
  let seq = 0;
  const timer = setInterval(() => {
    const packet = { seq, pts: 960 * seq++, marker: false, payload: SILENCE, level: 127 };
    for (const { sink, on } of world.seats.at(-1)?.subscriptions ?? []) {
      if (seq % 50 === 1) on({ type: 'serving', format: { codec: 'opus', clockRate: 48_000 }, how: 'mix' });
      sink(packet, world.host.clock.now());
    }
  }, 20);
  return () => clearInterval(timer);
}

it('the example of the README joins, speaks, hears, writes and leaves', async () => {
  const stop = mixing();
  try {
    const { stdout, stderr } = await run(world.url);
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^in room 1000 as alice\nheard \d{2,3} packets, \d+ were missing\nover: The member left\.\n$/,
    );
    expect(Number(/heard (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(20);
    expect(world.texts).toEqual(['hello']);
    expect(world.seats[0]?.publications[0]?.heard.length).toBeGreaterThan(20);
    expect(world.requests[0]?.who.credential).toBe('t0ken');
    expect(world.closed).toMatchObject([{ blame: 'none', reason: 'hung-up' }]);
  } finally {
    stop();
  }
}, 30_000);

it('and says in words why it is not let in', async () => {
  world.admit = async () => {
    throw refuse('client', 'bad-token', 'The token is for another room.');
  };
  await expect(run(world.url)).rejects.toMatchObject({ code: 1, stderr: 'The token is for another room.\n' });
}, 30_000);
