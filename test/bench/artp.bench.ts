import { pathToFileURL } from 'node:url';
import type { MediaPacket } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { openUdp, SendSlots, type UdpSocket } from '../../src/io/udp.ts';
import { VIDEO_TYPE } from '../../src/proto/artp/header.ts';
import { directionKeys } from '../../src/proto/artp/keys.ts';
import { MediaReceiver } from '../../src/proto/artp/media-receiver.ts';
import { MAX_DATAGRAM, MediaSender } from '../../src/proto/artp/media-sender.ts';
import { TRAILER_BYTES, TrailerView } from '../../src/proto/artp/trailer.ts';

/**
 * What sealing costs on a link between processes: seal and open alone, and a forwarding process (datagram in,
 * datagram out) that seals or opens what it forwards beside one that forwards the bytes as they are.
 */
const PAYLOAD_BYTES = 1200;
const PACKETS = 60_000;
const WARM_UP = 10_000;
const IN_FLIGHT = 32;
/** Packets timed together; the figure is the median of all lots, which another program's burst does not move. */
const LOT = 250;

interface Row {
  readonly what: string;
  readonly microseconds: number;
}

export async function artpBench(): Promise<readonly Row[]> {
  sealing(WARM_UP);
  opening(WARM_UP);
  const rows: Row[] = [
    { what: 'seal, in memory', microseconds: sealing(PACKETS) },
    { what: 'open, in memory', microseconds: opening(PACKETS) },
  ];
  for (const kind of ['raw', 'seal', 'open'] as const) await forward(kind, WARM_UP);
  const raw = await forward('raw', PACKETS);
  rows.push({ what: 'raw dgram forward', microseconds: raw });
  for (const kind of ['seal', 'open'] as const) {
    const microseconds = await forward(kind, PACKETS);
    rows.push({ what: `forward and ${kind} (${(microseconds / raw).toFixed(2)} × raw)`, microseconds });
  }
  return rows;
}

/** Median of the milliseconds each lot took, as microseconds a packet. */
const median = (lots: number[]): number =>
  ((lots.sort((a, b) => a - b)[lots.length >> 1] as number) * 1000) / LOT;

const packet: MediaPacket = {
  seq: 0,
  pts: 0,
  marker: false,
  payload: Buffer.alloc(PAYLOAD_BYTES, 0x5a),
  frame: { start: true, end: false, key: false, config: false, temporal: 0 },
};

/** A sender and the receiver bound to its flows. */
function sealer(keep: (p: MediaPacket) => void) {
  const keys = directionKeys(Buffer.alloc(32, 1), 'from-client', 0);
  const sender = new MediaSender(keys, Buffer.alloc(8, 2));
  const receiver = new MediaReceiver(keys, reason => {
    throw new Error(reason);
  });
  const flow = sender.flow(VIDEO_TYPE, start => receiver.bind(start, keep, 0));
  const trailer = new TrailerView();
  let seq = 0;
  return {
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

function sealing(packets: number): number {
  const { seal } = sealer(() => {});
  const out = Buffer.allocUnsafeSlow(MAX_DATAGRAM + TRAILER_BYTES);
  const lots: number[] = [];
  for (let done = 0; done < packets; done += LOT) {
    const start = performance.now();
    for (let i = 0; i < LOT; i++) seal(out);
    lots.push(performance.now() - start);
  }
  return median(lots);
}

function opening(packets: number): number {
  const { seal, open } = sealer(() => {});
  const slots = Array.from({ length: LOT }, () => Buffer.allocUnsafeSlow(MAX_DATAGRAM + TRAILER_BYTES));
  const lots: number[] = [];
  for (let done = 0; done < packets; done += LOT) {
    const ready = slots.map(b => b.subarray(0, seal(b)));
    const start = performance.now();
    for (const d of ready) open(d);
    lots.push(performance.now() - start);
  }
  return median(lots);
}

/**
 * Source → forwarder → sink over loopback, all in this process; what the forwarder spends on a packet, from the
 * callback that brings it to the return of the send that passes it on.
 */
async function forward(kind: 'raw' | 'seal' | 'open', packets: number): Promise<number> {
  let arrived = 0;
  let sent = 0;
  let spent = 0;
  let inLot = 0;
  const lots: number[] = [];
  let finish = (): void => {};
  const done = new Promise<void>(resolve => void (finish = resolve));
  const slots = new SendSlots(MAX_DATAGRAM + TRAILER_BYTES);
  const clear = Buffer.alloc(PAYLOAD_BYTES + 20, 0x80);
  let outBytes: Buffer = clear;
  let outLength = 0;
  const s = sealer(p => {
    outBytes.set(p.payload);
    outLength = p.payload.length;
  });
  const open = (on: (bytes: Buffer) => void): Promise<UdpSocket> =>
    openUdp({ family: 4, address: '127.0.0.1', port: 0, clock: systemClock, on });
  const sink = await open(() => {
    if (++arrived === packets) finish();
    else fill();
  });
  const forwarder = await open(bytes => {
    const start = performance.now();
    if (kind === 'raw') forwarder.send(bytes, bytes.length, sink.port, '127.0.0.1');
    else {
      outBytes = slots.take(forwarder.queued());
      if (kind === 'seal') outLength = s.seal(outBytes);
      else s.open(bytes);
      forwarder.send(outBytes, outLength, sink.port, '127.0.0.1');
    }
    spent += performance.now() - start;
    if (++inLot < LOT) return;
    lots.push(spent);
    inLot = spent = 0;
  });
  const source = await open(() => {});
  const sealed = new SendSlots(MAX_DATAGRAM + TRAILER_BYTES);
  const fill = (): void => {
    while (sent < packets && sent - arrived < IN_FLIGHT) {
      sent++;
      if (kind === 'open') {
        const b = sealed.take(source.queued());
        source.send(b, s.seal(b), forwarder.port, '127.0.0.1');
      } else source.send(clear, clear.length, forwarder.port, '127.0.0.1');
    }
  };
  fill();
  await done;
  for (const socket of [source, forwarder, sink]) socket.close();
  return median(lots);
}

export function printArtpBench(rows: readonly Row[]): void {
  console.log(`aRTP, ${PAYLOAD_BYTES}-byte payloads, ${PACKETS} packets each, Node ${process.version}`);
  for (const r of rows) console.log(`  ${r.what.padEnd(36)} ${r.microseconds.toFixed(2).padStart(7)} µs`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  printArtpBench(await artpBench());
