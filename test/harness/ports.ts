import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const handed = new Set<number>();

/**
 * A port free for UDP and TCP on loopback, with the next one free too (baresip listens on both). Never handed out
 * twice, and below both the media ports of a server and those the system gives to sockets that ask for any.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + 2 * Math.floor(Math.random() * 5_000);
    if (handed.has(port)) continue;
    if (
      (await udpFree(port)) &&
      (await udpFree(port + 1)) &&
      (await tcpFree(port)) &&
      (await tcpFree(port + 1))
    ) {
      handed.add(port);
      return port;
    }
  }
}

const udpFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const s = createSocket('udp4');
    s.once('error', () => resolve(false));
    s.bind(port, '127.0.0.1', () => s.close(() => resolve(true)));
  });

const tcpFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const s = createServer();
    s.once('error', () => resolve(false));
    s.listen(port, '127.0.0.1', () => s.close(() => resolve(true)));
  });
