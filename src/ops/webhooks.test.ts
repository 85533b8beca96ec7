import { createServer, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { isSigned, post, signatureOf, type WebhookOptions } from './webhooks.ts';

const SECRET = 'a secret of the operator';
const counts: string[] = [];
const options: WebhookOptions = {
  log: silentLog,
  now: () => 1_800_000_000_500,
  count: reason => void counts.push(reason),
  fetch,
};

test('a signature is of one body, one secret and one time', () => {
  const signature = signatureOf('{"a":1}', SECRET, 1_800_000_000);
  expect(signature).toMatch(/^t=1800000000,v1=[0-9a-f]{64}$/);
  const check = (body: string, secret: string, nowS: number, given = signature) =>
    isSigned(body, given, secret, nowS);
  expect(check('{"a":1}', SECRET, 1_800_000_300)).toBe(true);
  expect(check('{"a":1}', SECRET, 1_800_000_301)).toBe(false);
  expect(check('{"a":2}', SECRET, 1_800_000_000)).toBe(false);
  expect(check('{"a":1}', 'another', 1_800_000_000)).toBe(false);
  expect(check('{"a":1}', SECRET, 1_800_000_001, signature.replace('t=1800000000', 't=1800000001'))).toBe(
    false,
  );
  for (const junk of ['', 't=,v1=', 'v1=00', `${signature}0`])
    expect(check('{"a":1}', SECRET, 1_800_000_000, junk)).toBe(false);
});

test('an event is posted and signed; what is not taken is to be tried again, 410 never more', async () => {
  const seen: { request: IncomingMessage; body: string }[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', chunk => (body += chunk));
    request.on('end', () => {
      seen.push({ request, body });
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const webhook = { url: `http://127.0.0.1:${port}/hook?key=1`, secret: SECRET };
  const event = { type: 'room.created', room: '1000', id: 'x', at: 1 };
  await post(webhook, event, options);
  const { request, body } = seen[0] as (typeof seen)[0];
  expect([request.method, request.url, JSON.parse(body)]).toEqual(['POST', '/hook?key=1', event]);
  expect(request.headers['content-type']).toBe('application/json');
  expect(isSigned(body, request.headers['roombridge-signature'] as string, SECRET, 1_800_000_000)).toBe(true);
  for (status of [500, 302, 404]) await expect(post(webhook, event, options)).rejects.toThrow(`${status}`);
  status = 410;
  await post(webhook, event, options);
  expect(seen).toHaveLength(5); // redirects are not followed
  expect(counts).toEqual(['delivered', 'failed', 'failed', 'failed', 'gone']);
  await new Promise(done => server.close(done));
  await expect(post(webhook, event, options)).rejects.toThrow();
});
