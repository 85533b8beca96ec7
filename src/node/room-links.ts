import type { RoomNodeAdvert } from '../agents/advert.ts';
import { refuse } from '../kit/refusal.ts';
import type { RemoteRooms } from './room-finder.ts';

export interface RoomLinks extends RemoteRooms {
  readonly address: Pick<RoomNodeAdvert, 'host' | 'tlsPort' | 'udpPort'>;
  close(): Promise<void>;
}
export async function roomLinks(_o: unknown): Promise<RoomLinks> {
  return {
    address: { host: '127.0.0.1', tlsPort: 0, udpPort: 0 },
    port: async () => { throw refuse('server', 'no-link', 'No link.'); },
    close: async () => {},
  };
}
