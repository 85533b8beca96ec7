import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/harness/link.ts';
import { Refusal } from '../kit/refusal.ts';
import { writeFrame } from '../proto/artp/frames.ts';
import { ControlStream, HELLO_MS, PING_EVERY_MS } from './stream.ts';

/** The other side as the test plays it; `reads: false`: it takes nothing. */
function wired(reads = true) {
  const clock = new ManualClock();
  const written: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      written.push(bytes);
      if (reads) done();
    },
  });
  const stream = new ControlStream(socket, clock);
  const messages: unknown[] = [];
  let ticks = 0;
  const handlers = { message: (m: unknown) => void messages.push(m), tick: () => void ticks++ };
  const turn = (): Promise<void> => new Promise(next => setImmediate(next));
  return { clock, socket, stream, handlers, written, messages, ticks: () => ticks, turn };
}

describe('a control stream', () => {
  it('waits for one HELLO, no longer and no more', async () => {
    const w = wired();
    w.clock.advance(HELLO_MS);
    expect(await w.stream.closed).toContain('no HELLO');
    await expect(w.stream.first).rejects.toThrow(Refusal);
    await w.turn();
    w.clock.advance(PING_EVERY_MS);
    expect(w.socket.destroyed).toBe(true);
    expect(w.clock.armed).toBe(0);

    const eager = wired();
    eager.socket.push(Buffer.concat([writeFrame({ one: 1 }, 100)!, writeFrame({ two: 2 }, 100)!]));
    expect(await eager.stream.first).toEqual({ one: 1 });
    expect(await eager.stream.closed).toContain('before its HELLO was answered');
  });

  it('pings every second and takes three seconds of silence, not four', async () => {
    const w = wired();
    w.stream.open(w.handlers);
    for (let i = 0; i < 10; i++) {
      w.clock.advance(3 * PING_EVERY_MS);
      w.socket.push(Buffer.alloc(4)); // a ping of theirs
      await w.turn();
    }
    expect(w.ticks()).toBe(30);
    expect(w.written).toEqual(Array.from({ length: 30 }, () => Buffer.alloc(4)));
    w.clock.advance(4 * PING_EVERY_MS);
    expect(await w.stream.closed).toContain('nothing was heard');
  });

  it('ends with a peer that does not read, and keeps no more for it than the limit', async () => {
    const w = wired(false);
    w.stream.open(w.handlers);
    const message = { text: 'x'.repeat(500_000) };
    for (let i = 0; i < 100; i++) w.stream.send(message);
    expect(await w.stream.closed).toContain('does not read');
    expect(w.socket.writableLength).toBeLessThan(9 * 1024 * 1024);
    w.clock.advance(PING_EVERY_MS);
    expect(w.socket.destroyed).toBe(true);
  });

  it('ends when one message is over the limit, and is silent from then on', async () => {
    const w = wired();
    w.stream.open(w.handlers);
    w.stream.send({ text: 'x'.repeat(1024 * 1024) });
    expect(await w.stream.closed).toContain('over 1048576 bytes');
    w.socket.push(writeFrame({ late: true }, 100));
    w.stream.send({ more: 1 });
    w.stream.close('again');
    await w.turn();
    expect(w.messages).toEqual([]);
    expect(w.written).toEqual([]);
  });
});
