import { randomBytes } from 'node:crypto';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Format } from '../../src/contract.ts';
import { portsOf } from '../../test/harness/artp-relay.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { readAsk } from './protocol.ts';
import { eventually, OPUS, World } from './world.testing.ts';

const H264: Format = { codec: 'H264', clockRate: 90_000 };

let world: World;
beforeEach(async () => void (world = await World.open()));
afterEach(() => world.close());

describe('a member that misbehaves', () => {
  it.each([
    ['camera', OPUS],
    ['screen', OPUS],
    ['mic', H264],
  ] as const)('cannot publish its %s in %o: who mutes sound mutes microphones', (source, format) => {
    const track = { source, format, canKeyframe: true, syncGroup: 'a' };
    expect(readAsk({ t: 'publish', n: 1, track })).toMatchObject({ t: 'junk' });
  });

  it.each([
    { codec: 'opus', clockRate: 8000 },
    { codec: 'PCMU', clockRate: 16_000 },
    { codec: 'H264', clockRate: 90_000 },
  ])('cannot want the mix in %o', codec => {
    expect(readAsk({ t: 'want', n: 1, want: { kind: 'mix', codec, ptimeMs: 20 } })).toMatchObject({
      t: 'junk',
    });
  });

  it('and asks without end is refused in words, and in the end thrown out; the room hears little of it', async () => {
    const { member, events } = await world.join();
    const { member: other } = await world.join({ user: 'bob' });
    const [leg] = world.legs;
    for (let n = 0; n < 500; n++) leg?.message({ t: 'text', id: n, text: 'x' });
    expect(world.texts.length).toBeLessThanOrEqual(50);
    await eventually(() =>
      expect(events).toContainEqual({
        type: 'refused',
        of: 'text',
        why: {
          blame: 'client',
          reason: 'too-many-messages',
          text: 'This member says too much at once: go on in a second.',
        },
      }),
    );
    for (let n = 0; n < 2000; n++) leg?.message({ t: 'pause', n: 1, on: true });
    expect(await member.ended).toMatchObject({ reason: 'bad-message' });
    await other.text('still heard');
    expect(world.texts).toContain('still heard');
  });

  it('may say what a member with all its tracks says at once', async () => {
    await world.join();
    const [leg] = world.legs;
    for (let n = 1; n <= 8; n++) {
      leg?.message({
        t: 'publish',
        n,
        track: { source: 'mic', format: OPUS, canKeyframe: false, syncGroup: 'a' },
      });
      leg?.message({ t: 'clock', n, pts: 0, captureMs: 0 });
    }
    for (let n = 1; n <= 64; n++)
      leg?.message({ t: 'want', n, want: { kind: 'mix', codec: OPUS, ptimeMs: 20 } });
    for (let n = 0; n < 10; n++) leg?.message({ t: 'text', id: n, text: `${n}` });
    expect(world.seats[0]?.publications).toHaveLength(8);
    expect(world.seats[0]?.subscriptions).toHaveLength(64);
    expect(world.texts).toHaveLength(10);
  });
});

/** A stream to `url` that says `bytes` and no more. */
function stream(url: string, bytes: Buffer) {
  const socket = tlsConnect({ host: '127.0.0.1', port: portsOf(url).tlsPort, rejectUnauthorized: false });
  let came = '';
  let isOver = false;
  socket.on('data', d => void (came += d.toString('latin1')));
  socket.on('error', () => {});
  socket.once('close', () => void (isOver = true));
  socket.once('secureConnect', () => socket.write(bytes));
  return { came: () => came, isOver: () => isOver, end: () => socket.destroy() };
}
const framed = (message: object): Buffer => {
  const text = Buffer.from(JSON.stringify(message));
  return Buffer.concat([Buffer.of(text.length >> 8, text.length & 255), text]);
};
const hello = (user: string) => ({
  type: 'hello',
  version: 1,
  room: '1000',
  user,
  connection: randomBytes(8).toString('hex'),
  attempt: randomBytes(16).toString('hex'),
  suites: ['aes-128-gcm'],
});

describe('streams of strangers', () => {
  it('whose HELLO waits for its room are not cut off meanwhile; those that say nothing, or half of one, are', async () => {
    const clock = new VirtualClock();
    const own = await World.open({}, { clock });
    let admit: () => void = () => {};
    own.admit = () => new Promise(done => (admit = done));
    const waits = stream(own.url, framed(hello('alice')));
    const strangers = [Buffer.alloc(0), framed(hello('bob')).subarray(0, 40)].map(b => stream(own.url, b));
    await eventually(() => expect(own.requests).toHaveLength(1));
    await eventually(() => {
      clock.run(100);
      expect(strangers.map(s => s.isOver())).toEqual([true, true]);
    });
    expect(waits.isOver()).toBe(false);
    admit();
    await eventually(() => expect(waits.came()).toContain('hello-ack'));
    waits.end();
    const closed = own.close();
    await eventually(() => clock.run(1000));
    await closed;
  });

  it('nor is one kept for ever whose room never answers: it is told', async () => {
    const clock = new VirtualClock();
    const own = await World.open({}, { clock });
    own.admit = (_, signal) =>
      new Promise((_done, fail) => signal.addEventListener('abort', () => fail(new Error('gone'))));
    const waits = stream(own.url, framed(hello('alice')));
    await eventually(() => expect(own.requests).toHaveLength(1));
    await eventually(() => {
      clock.run(200);
      expect(waits.isOver()).toBe(true);
    });
    expect(waits.came()).toContain('The room did not answer');
    const closed = own.close();
    await eventually(() => clock.run(1000));
    await closed;
  });
});
