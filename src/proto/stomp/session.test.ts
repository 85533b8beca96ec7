import { describe, expect, it } from 'vitest';
import { readFrame, writeFrame } from './frame.ts';
import { type StompInput, type StompOutput, StompSession } from './session.ts';

/** A session and its client, on a virtual clock. */
class World {
  now = 0;
  readonly session = new StompSession(0);

  /** Feeds one input; what came out, frames read. */
  feed(input: StompInput | { type: 'tick' }): unknown[] {
    this.session.handle(input, this.now);
    const out: unknown[] = [];
    for (let o: StompOutput | undefined; (o = this.session.poll()) !== undefined; )
      out.push(o.type === 'send' ? readFrame(Buffer.from(o.text)) : o);
    return out;
  }
  say(command: string, headers: Record<string, string> = {}, body = ''): unknown[] {
    return this.feed({ type: 'message', bytes: Buffer.from(writeFrame(command, headers, body)) });
  }
  connect(headers: Record<string, string> = {}): unknown[] {
    return this.say('CONNECT', { 'accept-version': '1.2', host: 'x', login: 'alice', ...headers });
  }
  join(): unknown[] {
    this.connect();
    this.say('SUBSCRIBE', { id: '7', destination: '/room/1000' });
    return this.feed({ type: 'joined', participant: 'alice', secret: 's' });
  }
  at(now: number): unknown[] {
    this.now = now;
    return this.feed({ type: 'tick' });
  }
}

const frame = (command: string, headers: object = {}, body: unknown = expect.any(String)) => ({
  frame: { command, headers: expect.objectContaining(headers), body },
});
const error = (message: string) => [frame('ERROR', { message }), { type: 'end', reason: message }];

describe('a good member', () => {
  it('connects, joins, acts, hears, leaves', () => {
    const world = new World();
    expect(world.connect({ passcode: 'secret' })).toEqual([
      frame('CONNECTED', { version: '1.2', 'heart-beat': '10000,10000' }, ''),
    ]);
    expect(world.say('SUBSCRIBE', { id: '7', destination: '/room/a%20b', receipt: 'r1' })).toEqual([
      { type: 'join', room: 'a b', user: 'alice', credential: 'secret' },
      frame('RECEIPT', { 'receipt-id': 'r1' }),
    ]);
    expect(world.feed({ type: 'tell', body: '{}' })).toEqual([]); // not joined yet
    expect(world.feed({ type: 'joined', participant: 'alice-2', secret: 's' })).toEqual([
      frame(
        'MESSAGE',
        { subscription: '7', 'message-id': '1', destination: '/room/a%20b' },
        '{"type":"joined","participant":"alice-2","secret":"s"}',
      ),
    ]);
    expect(world.say('SEND', { destination: '/room/a%20b/mute' }, '{"on":true}')).toEqual([
      { type: 'act', verb: 'mute', body: '{"on":true}' },
    ]);
    expect(world.feed({ type: 'tell', body: '{"type":"left"}' })).toEqual([
      frame('MESSAGE', { 'message-id': '2' }, '{"type":"left"}'),
    ]);
    expect(world.say('DISCONNECT', { receipt: 'bye' })).toEqual([
      frame('RECEIPT', { 'receipt-id': 'bye' }),
      { type: 'end', reason: 'hung-up' },
    ]);
    expect(world.session.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(world.say('SEND', { destination: '/room/a%20b/mute' })).toEqual([]);
  });

  it('UNSUBSCRIBE leaves like DISCONNECT, also before the room has answered', () => {
    for (const joined of [true, false]) {
      const world = new World();
      if (joined) world.join();
      else {
        world.connect();
        world.say('SUBSCRIBE', { id: '7', destination: '/room/1000' });
      }
      expect(world.say('UNSUBSCRIBE', { id: '7' })).toEqual([{ type: 'end', reason: 'hung-up' }]);
    }
  });
});

describe('refusals are ERROR frames, and the end', () => {
  it.each<[string, (w: World) => unknown[], string]>([
    ['a version we do not speak', w => w.connect({ 'accept-version': '1.0,1.1' }), 'unsupported-version'],
    ['SEND before CONNECT', w => w.say('SEND'), 'unexpected-frame'],
    ['junk', w => w.feed({ type: 'message', bytes: Buffer.from('x') }), 'bad-frame'],
    [
      'CONNECT twice',
      w => {
        w.connect();
        return w.connect();
      },
      'unexpected-frame',
    ],
    [
      'SUBSCRIBE to something else',
      w => {
        w.connect();
        return w.say('SUBSCRIBE', { id: '1', destination: '/queue/x' });
      },
      'bad-destination',
    ],
    [
      'SUBSCRIBE without id',
      w => {
        w.connect();
        return w.say('SUBSCRIBE', { destination: '/room/1' });
      },
      'bad-destination',
    ],
    [
      'SEND to another room',
      w => {
        w.join();
        return w.say('SEND', { destination: '/room/2000/mute' });
      },
      'bad-destination',
    ],
    [
      'what the application refuses',
      w => {
        w.join();
        return w.feed({ type: 'refuse', reason: 'kicked', text: 'You were removed.' });
      },
      'kicked',
    ],
  ])('%s', (_, act, reason) => expect(act(new World())).toEqual(error(reason)));

  it('a flood of frames', () => {
    const world = new World();
    world.join();
    let out: unknown[] = [];
    for (let i = 0; i < 70 && out.length < 2; i++)
      out = world.say('SEND', { destination: '/room/1000/text' });
    expect(out).toEqual(error('too-many-frames'));
  });
});

describe('time', () => {
  it('a client that does not say hello is refused', () => {
    const world = new World();
    expect(world.session.deadline).toBe(10_000);
    expect(world.at(10_000)).toEqual(error('too-slow'));
  });

  it('a room that is slow to answer is not the fault of the client', () => {
    const world = new World();
    world.connect();
    world.say('SUBSCRIBE', { id: '7', destination: '/room/1000' });
    expect(world.at(60_000)).toEqual([]);
    expect(world.session.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('beats as agreed, and notices when the client falls silent', () => {
    const world = new World();
    world.connect({ 'heart-beat': '5000,20000' }); // it can send every 5 s, we ask for 10; it wants one every 20
    world.say('SUBSCRIBE', { id: '7', destination: '/room/1000' });
    world.feed({ type: 'joined', participant: 'alice', secret: 's' });
    expect(world.session.deadline).toBe(20_000);
    world.now = 15_000;
    expect(world.feed({ type: 'message', bytes: Buffer.from('\n') })).toEqual([]);
    expect(world.at(20_000)).toEqual([{ heartbeat: true }]);
    expect(world.session.deadline).toBe(40_000);
    expect(world.at(40_000)).toEqual([{ type: 'end', reason: 'connection-lost' }]);
  });

  it('heart-beats nobody can mean are none', () => {
    const world = new World();
    world.connect({ 'heart-beat': 'x,-1' });
    world.say('SUBSCRIBE', { id: '7', destination: '/room/1000' });
    expect(world.session.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});
