import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_KEY, ask, portOf, raw, testServer } from './server.testing.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
let world: Awaited<ReturnType<typeof testServer>>;
let base: string;
let port: number;

beforeAll(async () => {
  world = await testServer({
    requestsPerSecond: 1e6,
    requestBurst: 1e6,
    headersTimeoutMs: 300,
    requestTimeoutMs: 300,
  });
  world.server.route('POST', '/whip/:room', async () => ({ status: 201 }));
  await world.server.listen();
  base = world.server.bases.at(-1) as string;
  port = portOf(base);
});
afterAll(() => world.server.close(0));

const word = fc.oneof(
  fc.constantFrom(
    'api',
    'v1',
    'rooms',
    '1000',
    'participants',
    'legs',
    'r',
    'whip',
    '..',
    '',
    '%00',
    '%ff',
    '%2f',
    '*',
    ':room',
  ),
  fc.string({ maxLength: 12 }).map(encodeURIComponent),
  fc.stringMatching(/^[!-~]{0,12}$/).map(s => s.replaceAll(/[?#\s]/g, '')),
);
const path = fc.array(word, { maxLength: 8 }).map(w => `/${w.join('/')}`);
const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE');

test('no path and method makes a 500', async () => {
  await fc.assert(
    fc.asyncProperty(method, path, fc.stringMatching(/^[!-~]{0,20}$/), async (method, path, query) => {
      const answer = await ask(base, { method, ...target(`${path}?${query.replaceAll('#', '')}`) });
      expect(answer.status, `${method} ${path}?${query}`).toBeLessThan(500);
      if (answer.status >= 400 && method !== 'HEAD')
        expect(answer.json().type).toMatch(/^urn:roombridge:problem:[a-z-]+$/);
    }),
    { numRuns },
  );
});

const places: [string, string][] = [
  ['PUT', '/rooms/1000'],
  ['POST', '/rooms/1000/participants/alice/mute'],
  ['POST', '/rooms/1000/tickets'],
  ['POST', '/agents/a1/drain'],
  ['DELETE', '/rooms/1000/participants/alice'],
];
const keys = fc.constantFrom(
  'pin',
  'locked',
  'layout',
  'maxParticipants',
  'media',
  'on',
  'user',
  'protocol',
  'role',
  'track',
  '__proto__',
  'constructor',
  'x',
);
const body = fc.oneof(
  fc.json(),
  fc.string(),
  fc.dictionary(keys, fc.jsonValue()).map(o => JSON.stringify(o)),
  fc.integer({ min: 1, max: 20_000 }).map(n => '['.repeat(n)),
  fc.integer({ min: 1, max: 20_000 }).map(n => `${'[1,'.repeat(n)}1${']'.repeat(n)}`),
);

test('no JSON body makes a 500', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), body, async ([method, path], body) => {
      const answer = await ask(`${base}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
        body,
      });
      expect(answer.status, `${method} ${path} ${body}`).toBeLessThan(500);
    }),
    { numRuns },
  );
});

test('no bytes stop the server', async () => {
  const head = fc.constantFrom(
    '',
    'GET / HTTP/1.1\r\n',
    'POST /whip/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n',
    'POST /whip/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  await fc.assert(
    fc.asyncProperty(head, fc.uint8Array({ maxLength: 200 }), async (head, bytes) => {
      // The end of the stream is the end of the request, so that no time-out is waited for.
      await raw(port, Buffer.concat([Buffer.from(head), bytes]), true);
    }),
    { numRuns },
  );
  expect((await ask(`${base}/healthz`)).status).toBe(200);
  expect(world.errors).toEqual([]);
});

/** A request target as it is, unlike what `new URL` would make of it. */
const target = (path: string): { path: string } => ({ path });
