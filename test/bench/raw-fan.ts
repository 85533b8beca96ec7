/** The baseline of fanning out: each datagram goes to every port named, with node:dgram alone. Tells its port. */
import dgram from 'node:dgram';
import { numeric } from './stream.ts';

const targets = process.argv.slice(2).map(Number);
const socket = dgram.createSocket({
  type: 'udp4',
  lookup: numeric,
  recvBufferSize: 512 * 1024,
  sendBufferSize: 512 * 1024,
});
socket.bind(0, '127.0.0.1', () => process.send?.({ ports: [socket.address().port] }));
socket.on('message', bytes => {
  for (const port of targets) socket.send(bytes, 0, bytes.length, port, '127.0.0.1');
});
