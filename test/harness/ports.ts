import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const handed = new Set<number>();
/** Two files may run at once: each takes every second four. */
const LANE = Number(process.env.VITEST_POOL_ID ?? 1) % 2;

/**
 * A port free for UDP and TCP on loopback, with the next three free for UDP too (baresip listens on two, sipp sends
 * sound and picture from two pairs). Never handed out
 * twice, and below both the media ports of a server and those the system gives to sockets that ask for any.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + 4 * (2 * Math.floor(Math.random() * 1_250) + LANE);
    // 10080 is closed to fetch and browsers ("bad port" of the Fetch standard).
    if (handed.has(port) || port === 10_080) continue;
    const udp = await Promise.all([0, 1, 2, 3].map(i => udpFree(port + i)));
    const tcp = await Promise.all([0, 1].map(i => tcpFree(port + i)));
    if (![...udp, ...tcp].every(Boolean)) continue;
    handed.add(port);
    return port;
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
