/** The baseline of a link: the same datagrams at the same times, by node:dgram alone. Argument: the port; without: hears them. */
import dgram from 'node:dgram';
import { CONNECTION_BYTES, SHORT_TRAILER_BYTES } from '../../src/proto/artp/trailer.ts';
import { PAYLOAD_BYTES, sendWhenAsked } from './link-load.ts';
import { numeric } from './stream.ts';

const HEADER_AND_TAG = 20 + 16;
const BUFFER = 512 * 1024;
const to = Number(process.argv[2] ?? 0);
const socket = dgram.createSocket({
  type: 'udp4',
  lookup: numeric,
  recvBufferSize: BUFFER,
  sendBufferSize: BUFFER,
});
let heard = 0;
socket.on('message', () => void heard++);
process.on('message', m => {
  if (m === 'heard') process.send?.({ heard });
});
socket.bind(0, '127.0.0.1', () => process.send?.({ ports: socket.address().port }));
const bytes = Buffer.alloc(HEADER_AND_TAG + PAYLOAD_BYTES + CONNECTION_BYTES + SHORT_TRAILER_BYTES);
const sent = (): void => {};
if (to > 0) sendWhenAsked(() => socket.send(bytes, 0, bytes.length, to, '127.0.0.1', sent));
