/**
 * The baseline: datagrams in, the same out, with node:dgram alone. Arguments: `to` port; or none, then each goes back
 * to where it came from. `sockets`: how many. Tells its ports.
 */
import dgram from 'node:dgram';
import { numeric } from './stream.ts';

const [to = '0', sockets = '1'] = process.argv.slice(2);
const target = Number(to);

const open = (): Promise<dgram.Socket> =>
  new Promise(resolve => {
    const socket = dgram.createSocket({
      type: 'udp4',
      lookup: numeric,
      recvBufferSize: 512 * 1024,
      sendBufferSize: 512 * 1024,
    });
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });

const ports: number[] = [];
for (let i = 0; i < Number(sockets); i++) {
  const [incoming, outgoing] = [await open(), target === 0 ? undefined : await open()];
  const back = outgoing ?? incoming;
  incoming.on('message', (bytes, from) => {
    back.send(bytes, 0, bytes.length, target === 0 ? from.port : target, '127.0.0.1');
  });
  ports.push(incoming.address().port);
}
process.send?.({ ports });
