/** A room node whose room only counts what it is sent by a link. Argument: JSON of certificates. */
import { randomBytes } from 'node:crypto';
import type { Publication } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { LinkServer } from '../../src/link/server.ts';
import { FakeRoom } from '../harness/fake-room.ts';
import { silentLog } from '../harness/fakes.ts';

const { certPem, keyPem, trusted } = JSON.parse(process.argv[2] as string) as {
  certPem: string;
  keyPem: string;
  trusted: string;
};
let heard = 0;
class CountingRoom extends FakeRoom {
  override publish(...args: Parameters<FakeRoom['publish']>): Publication {
    return { ...super.publish(...args), sink: () => void heard++ };
  }
}
const room = new CountingRoom('1000');
const drops = new Map<string, number>();
const server = new LinkServer({
  process: 'room-node',
  address: '127.0.0.1',
  udpPort: 0,
  tlsPort: 0,
  certPem,
  keyPem,
  trusted: fingerprint => fingerprint === trusted,
  tag: 1,
  routers: () => [],
  rooms: () => room,
  clock: systemClock,
  random: randomBytes,
  log: silentLog,
  count: reason => void drops.set(reason, (drops.get(reason) ?? 0) + 1),
  onBug: error => {
    throw error;
  },
});
process.on('message', m => {
  if (m === 'heard') process.send?.({ heard });
  if (m === 'drops') process.send?.({ drops: [...drops] });
});
process.send?.({ ports: await server.listen() });
