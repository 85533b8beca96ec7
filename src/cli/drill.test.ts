import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { composeConfig } from '../config.ts';
import { runCli } from './command.ts';
import { drillCommand } from './drill.ts';

const KEY = 'an-admin-key-of-a-test';
const DRILL = {
  drill: 'drill-1',
  room: '1000',
  impairment: { loss: '30%', delay: '100ms' },
  direction: 'both',
  startedAt: 1000,
  endsAt: 91_000,
  legs: [
    { leg: 'l1', gateway: 'native', participant: 'alice', impaired: true },
    { leg: 'l2', gateway: 'rtmp', participant: 'bob', impaired: false, text: 'It travels by TCP.' },
  ],
};
const asked: string[] = [];
let server: Server;
let url: string;

/** The API as the command sees it: leg `l1`, room `1000`, a drill in it. */
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', part => {
      body += part;
    });
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`.trim());
      const say = (status: number, json: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(json === undefined ? '' : JSON.stringify(json));
      };
      const problem = (status: number, reason: string, detail: string): void =>
        say(status, { type: `urn:roombridge:problem:${reason}`, detail });
      if (request.headers.authorization !== `Bearer ${KEY}`)
        return problem(401, 'not-authorized', 'Wrong key.');
      if (request.url === '/api/v1/legs/l1') return say(200, { leg: 'l1' });
      if (request.url?.startsWith('/api/v1/legs/')) return problem(404, 'no-such-leg', 'No leg.');
      if (request.method === 'GET') return say(200, [DRILL]);
      if (request.method === 'DELETE') return say(204, undefined);
      if (body.includes('"busy"')) return problem(409, 'drill-running', 'A drill runs in room busy already.');
      return say(201, DRILL);
    });
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());
beforeEach(() => void asked.splice(0));

async function run(...argv: string[]) {
  let [out, err] = ['', ''];
  const status = await runCli(['drill', ...argv, '--url', url], [drillCommand(composeConfig([]))], {
    stdout: { write: t => (out += t) },
    stderr: { write: t => (err += t) },
    env: { HOME: mkdtempSync(join(tmpdir(), 'rb-home-')), ROOMBRIDGE_AUTH__ADMIN_KEY: KEY },
  });
  return { status, out, err };
}

test('a room: what it asks, and what it tells', async () => {
  const { status, out } = await run('1000', '--loss', '30%', '--delay', '100ms', '--seconds', '90');
  expect(status).toBe(0);
  expect(asked).toEqual([
    'GET /api/v1/legs/1000',
    'POST /api/v1/drills {"impairment":{"loss":"30%","delay":"100ms"},"seconds":90,"direction":"both","room":"1000"}',
  ]);
  expect(out).toBe(
    `drill-1: room 1000, loss 30%, delay 100ms, both ways, for 90s.
  l1  native  alice  impaired
  l2  rtmp  bob  as it was: It travels by TCP.
To end it earlier: roombridge drill 1000 --stop
`,
  );
});

test('a leg, in JSON', async () => {
  const { out } = await run('l1', '--loss', '1%', '--direction', 'to-member', '--json');
  expect(asked.at(-1)).toContain('"direction":"to-member","leg":"l1"');
  expect(JSON.parse(out)).toEqual(DRILL);
});

test('the end of one', async () => {
  expect(await run('1000', '--stop')).toMatchObject({ status: 0, out: 'Ended drill-1 in room 1000.\n' });
  expect(asked).toEqual(['GET /api/v1/drills', 'DELETE /api/v1/drills/drill-1']);
  expect((await run('2000', '--stop')).err).toBe('No drill runs in 2000 now.\n');
});

test.each([
  [['1000'], 'needs something to impair: --loss 30%'],
  [['1000', '--loss', '30'], 'loss 30 cannot be read: write a share from 0% to 100%.'],
  [['1000', '--los', '30%'], 'did you mean --loss?'],
  [['1000', '--loss', '3%', '--seconds', '601'], '--seconds 601 is not a whole number from 1 to 600.'],
  [['1000', '--loss', '3%', '--direction', 'up'], 'write both, to-member, from-member.'],
])('%j is refused before anything is asked', async (argv, why) => {
  const { status, err } = await run(...argv);
  expect(status).toBe(1);
  expect(err).toContain(why);
  expect(asked).toEqual([]);
});

test('a no of the server is told in its words', async () => {
  expect((await run('busy', '--loss', '1%')).err).toBe('A drill runs in room busy already.\n');
  const file = join(mkdtempSync(join(tmpdir(), 'rb-key-')), 'key');
  writeFileSync(file, 'another-key\n');
  expect((await run('1000', '--loss', '1%', '--key-file', file)).err).toBe(
    'Wrong key. Drills are for admins: give its key by --key-file, or its config by --config.\n',
  );
});

test('a server that is not there, or no API, is told in words', async () => {
  const gone = url;
  url = 'http://127.0.0.1:1';
  expect((await run('1000', '--loss', '1%')).err).toContain(
    'The API at http://127.0.0.1:1 cannot be used (ECONNREFUSED): is Roombridge running there?',
  );
  url = 'ftp://h';
  expect((await run('1000', '--loss', '1%')).err).toContain('--url ftp://h is no address of a server');
  url = gone;
});
