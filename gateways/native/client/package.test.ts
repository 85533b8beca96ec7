import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = `
  const { connect } = await import('roombridge/native');
  await connect({ url: 'http://nowhere', user: 'alice' }).catch(error => console.log(error.message));
`;

it('a program has it as roombridge/native', async () => {
  const args = ['--import', 'tsx', '--input-type', 'module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  expect(stdout).toContain('http://nowhere is no aRTP address: write artp://host[:7101]/<room>.');
}, 30_000);
