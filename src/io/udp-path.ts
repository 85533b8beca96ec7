import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';

/** A datagram socket tied to one peer. */
export interface UdpPath {
  /** The address this host uses towards the peer. */
  readonly localAddress: string;
  send(bytes: Uint8Array): void;
  /** Idempotent. */
  close(): void;
}

/**
 * Finds the way to a numeric address. A tied socket is told what the others never hear: `refused` is called when the
 * peer's host answers that nothing listens there (ECONNREFUSED), or the network that it cannot be reached. Rejects
 * with the system's error when there is no route.
 */
export function openUdpPath(
  address: string,
  port: number,
  refused: (error: NodeJS.ErrnoException) => void,
): Promise<UdpPath> {
  return new Promise((done, fail) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    let open = true;
    let trouble = (error: Error): void => {
      socket.close();
      fail(error);
    };
    socket.on('error', error => trouble(error));
    socket.once('connect', () => {
      trouble = refused;
      done({
        localAddress: socket.address().address,
        send(bytes) {
          if (open) socket.send(bytes, error => error && trouble(error));
        },
        close() {
          if (open) socket.close();
          open = false;
        },
      });
    });
    socket.connect(port, address);
  });
}
