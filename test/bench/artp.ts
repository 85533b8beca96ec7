import type { MediaPacket } from '../../src/contract.ts';
import { VIDEO_TYPE } from '../../src/proto/artp/header.ts';
import { directionKeys } from '../../src/proto/artp/keys.ts';
import { MediaReceiver } from '../../src/proto/artp/media-receiver.ts';
import { MAX_DATAGRAM, MediaSender } from '../../src/proto/artp/media-sender.ts';
import { TRAILER_BYTES, TrailerView } from '../../src/proto/artp/trailer.ts';
import { type Bench, CALLS, cpuOf, type Figure } from './measure.ts';
import { rawForwardUs } from './raw.ts';

const MAX_BYTES = MAX_DATAGRAM + TRAILER_BYTES;
const PAYLOADS = [
  { what: '20 ms of G.711', bytes: 160 },
  { what: 'a packet of video', bytes: 1200 },
];

export const artp: Bench = {
  name: 'artp',
  about:
    'CPU to seal and to open one packet of a link between processes; baseline: its raw node:dgram forward',
  async run({ note }) {
    const figures: Figure[] = [];
    for (const { what, bytes } of PAYLOADS) {
      note(what);
      const { seal, open } = link(bytes);
      const baseline = await rawForwardUs(bytes);
      const out = Buffer.allocUnsafeSlow(MAX_BYTES);
      const ready = Array.from({ length: CALLS }, () => Buffer.from(out.subarray(0, seal(out))));
      let next = 0;
      const cost = cpuOf({ seal: () => void seal(out), open: () => open(ready[next++] as Buffer) });
      figures.push(
        { what: `${what}: seal`, value: cost.seal, unit: 'µs', baseline },
        { what: `${what}: open`, value: cost.open, unit: 'µs', baseline },
      );
    }
    return figures;
  },
};

/** A sender and the receiver bound to its flows. */
function link(bytes: number) {
  const packet: MediaPacket = {
    seq: 0,
    pts: 0,
    marker: false,
    payload: Buffer.alloc(bytes, 0x5a),
    frame: { start: true, end: false, key: false, config: false, temporal: 0 },
  };
  const keys = directionKeys(Buffer.alloc(32, 1), 'from-client', 0);
  const sender = new MediaSender(keys, Buffer.alloc(8, 2));
  const receiver = new MediaReceiver(keys, reason => {
    throw new Error(reason);
  });
  const flow = sender.flow(VIDEO_TYPE, start => receiver.bind(start, () => {}, 0));
  const trailer = new TrailerView();
  let seq = 0;
  return {
    /** Bytes of the datagram written into `out`. */
    seal(out: Uint8Array): number {
      packet.seq = seq++;
      packet.pts = seq * 3000;
      return sender.trailer(out, flow.seal(packet, out) as number, seq);
    },
    open(datagram: Uint8Array): void {
      trailer.read(datagram);
      receiver.receive(datagram.subarray(0, trailer.start), 0);
    },
  };
}
