import { PacketLog } from '../../src/proto/webrtc/packet-log.ts';

/** The logs of all streams that are played from this process, one a stream, while anyone is sent it. */
export class PacketLogs {
  readonly #byStream = new Map<string, { readonly log: PacketLog; users: number }>();

  /** The log of `stream`, and what gives it back (once). Undefined: a stream nobody else is sent. */
  acquire(stream: string | undefined): { readonly log: PacketLog; readonly release: () => void } {
    if (stream === undefined) return { log: new PacketLog(), release() {} };
    const entry = this.#byStream.get(stream) ?? { log: new PacketLog(), users: 0 };
    this.#byStream.set(stream, entry);
    entry.users++;
    let held = true;
    const release = (): void => {
      if (held && --entry.users === 0) this.#byStream.delete(stream);
      held = false;
    };
    return { log: entry.log, release };
  }

  get size(): number {
    return this.#byStream.size;
  }
}
