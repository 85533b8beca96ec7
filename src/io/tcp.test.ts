import { describe, expect, it } from 'vitest';
import { Refusal } from '../kit/refusal.ts';
import { systemClock } from './clock.ts';
import { connectTcp, listenTcp, type TcpConnection, type TcpHandlers } from './tcp.ts';

const limits = { maxQueueBytes: 1024 * 1024, lingerMs: 200 };
const options = {
  ...limits,
  address: '127.0.0.1',
  port: 0,
  maxConnections: 3,
  maxPerAddress: 2,
  setting: 'x.port',
};

/** Handlers that tell what happened. */
function ear() {
  let text = '';
  let tell: (error: string | undefined) => void = () => {};
  const closed = new Promise<string | undefined>(done => (tell = done));
  const handlers: TcpHandlers = {
    data: bytes => void (text += bytes.toString()),
    closed: error => tell(error),
  };
  return {
    handlers,
    closed,
    get text() {
      return text;
    },
  };
}

describe('TCP', () => {
  it('carries bytes both ways and sends what is queued before it ends', async () => {
    const server = ear();
    const listener = await listenTcp(
      options,
      systemClock,
      c => {
        expect(c.address).toBe('127.0.0.1');
        c.write(Buffer.from('hello'));
        c.end();
        c.end();
        return server.handlers;
      },
      () => {},
    );
    const client = ear();
    const c = await connectTcp('127.0.0.1', listener.port, limits, systemClock, client.handlers);
    c.write(Buffer.from('bye'));
    expect(await client.closed).toBeUndefined();
    expect(client.text).toBe('hello');
    await server.closed;
    expect(server.text).toBe('bye');
    await listener.close();
    expect(listener.connections).toBe(0);
  });

  it('refuses more connections than one address may have', async () => {
    const refused: string[] = [];
    const taken: TcpConnection[] = [];
    const listener = await listenTcp(
      options,
      systemClock,
      c => {
        taken.push(c);
        return ear().handlers;
      },
      why => refused.push(why),
    );
    const ears = [ear(), ear(), ear()];
    for (const e of ears) await connectTcp('127.0.0.1', listener.port, limits, systemClock, e.handlers);
    await ears[2]!.closed;
    expect(refused).toEqual(['per-address']);
    for (const c of taken) c.destroy();
    await listener.close();
  });

  it('gives up a peer that does not read', async () => {
    const server = ear();
    const listener = await listenTcp(
      options,
      systemClock,
      c => {
        for (let i = 0; i < 400; i++) c.write(Buffer.alloc(64 * 1024));
        return server.handlers;
      },
      () => {},
    );
    const client = ear();
    const c = await connectTcp('127.0.0.1', listener.port, limits, systemClock, client.handlers);
    c.pause(true);
    expect(await server.closed).toBe('the peer left more than 1048576 bytes unread');
    c.destroy();
    await listener.close();
  });

  it('says in words that a port is taken, and that nobody listens', async () => {
    const listener = await listenTcp(
      options,
      systemClock,
      () => ear().handlers,
      () => {},
    );
    const again = listenTcp(
      { ...options, port: listener.port },
      systemClock,
      () => ear().handlers,
      () => {},
    );
    const error = await again.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).message).toBe(
      `TCP port ${listener.port} on 127.0.0.1 is already in use: end the program that has it or set x.port to another port.`,
    );
    await listener.close();
    const gone = await connectTcp('127.0.0.1', listener.port, limits, systemClock, ear().handlers).catch(
      (e: unknown) => e,
    );
    expect((gone as Refusal).why.reason).toBe('connect-failed');
  });
});
