import type { Studio } from '../../codecs/video/studio/studio.ts';
import type { Clock } from '../../src/contract.ts';
import type { CameraOptions } from './camera.ts';
import type { Part } from './demo-sounds.ts';

/** Where the members of the demo go. Hosts are numeric or `localhost`. */
export interface DemoPlace {
  readonly room: string;
  readonly sip: { readonly host: string; readonly port: number };
  readonly rtmp: { readonly host: string; readonly port: number };
  /** Base of the HTTP server: `http://localhost:8080`. */
  readonly web: string;
  /** A room token of `user`, where rooms ask for one. */
  readonly token?: (user: string) => Promise<string>;
}

/** What one member brings along. */
export interface DemoPart {
  readonly user: string;
  readonly part: Part;
  readonly picture: CameraOptions;
  /** Where pictures are made; absent: they cannot be, and the member has its sound. */
  readonly studio: Studio | undefined;
  readonly place: DemoPlace;
  readonly clock: Clock;
  readonly say: (text: string) => void;
}

/** A member that is in the room. */
export interface DemoMember {
  /** Resolves with the reason when it is no longer there. */
  readonly gone: Promise<string>;
  /** Leaves politely. Idempotent. */
  close(): Promise<void>;
}
