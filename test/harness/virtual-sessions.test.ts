import { expect, test } from 'vitest';
import { SessionPair } from './virtual-sessions.ts';

test('two sessions find each other through half their packets being lost, and say what they have to say in order', () => {
  const pair = new SessionPair({ seed: 1 });
  pair.impair(0, { loss: 0.5, delayMs: 50 });
  pair.run(5000);
  expect([pair.client.session.state, pair.server.session.state]).toEqual(['active', 'active']);
  for (let n = 0; n < 50; n++) {
    pair.client.session.say({ n }, pair.now);
    pair.server.session.say({ n: -n }, pair.now);
  }
  pair.run(10_000);
  expect(pair.server.messages).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })));
  expect(pair.client.messages.length).toBe(50);
});

test('a client whose NAT has forgotten it is found again; a second path and a stream join in', () => {
  const pair = new SessionPair({ seed: 2, paths: 2 });
  pair.run(1000);
  expect(pair.client.session.paths().map(p => p.state)).toEqual(['ready', 'ready']);
  expect(pair.server.session.paths().length).toBe(2);
  pair.closePath(1);
  pair.rebind(0);
  const close = pair.openStream();
  pair.client.session.say('I am here', pair.now);
  pair.run(3000);
  expect(pair.server.messages).toEqual(['I am here']);
  pair.server.session.say('hello', pair.now);
  pair.run(1000);
  expect(pair.client.messages).toEqual(['hello']);
  pair.impair(0, { loss: 1 });
  pair.server.session.say('by the stream', pair.now);
  pair.run(1500);
  expect(pair.client.messages.at(-1)).toBe('by the stream');
  close();
});
