/**
 * The load of the bench of viewers, in a process of its own: one publisher (RTMP or WebRTC) of stamped pictures, and
 * viewers by WHEP who report as browsers do; or the same packets to a raw forwarder. Obeys `CrowdOrder`s.
 */
import dgram from 'node:dgram';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { isParameterSet, NalType, nalType } from '../../codecs/h264/nal.ts';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import { openRtmpStream } from '../../gateways/dialer/rtmp-stream.ts';
import { systemClock } from '../../src/io/clock.ts';
import { avcConfigTag, avcFrameTag } from '../../src/proto/rtmp/flv.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { Arrivals } from '../../src/proto/webrtc/twcc.ts';
import { Delays, type DelaysTold } from './delays.ts';
import { nowUs, readStamp, realPictures, type StampedPicture, stamp, stampedPictures } from './stamped.ts';
import { numeric } from './stream.ts';
import { PAYLOAD_TYPE, WebPeer } from './web-peer.ts';

export type CrowdOrder =
  | { readonly do: 'publish'; readonly by: 'rtmp' | 'whip'; readonly to: string; readonly real?: boolean }
  /** `open`: how many of them open what they get and read the stamps. */
  | {
      readonly do: 'watch';
      readonly url: string;
      readonly from: number;
      readonly count: number;
      readonly open: number;
      /** Between two who join. */
      readonly everyMs: number;
    }
  /** Publishes to `port` and gets it back at sockets whose ports it tells. */
  | { readonly do: 'raw'; readonly port: number }
  | { readonly do: 'sockets'; readonly count: number }
  | { readonly do: 'tell' }
  | { readonly do: 'quiet' };

export interface CrowdTold {
  readonly packets: number;
  readonly pictures: number;
  readonly delays: DelaysTold;
}

const SIZE = { width: 1280, height: 720, fps: 30 };
/** 2 Mbit/s, a keyframe each 3 s. */
const BYTES = 7800;
const KEY_BYTES = 48_000;
const KEY_EVERY = 90;
const RR_EVERY_MS = 1000;
const delays = new Delays();
let packets = 0;
let pictures = 0;
const ends: (() => unknown)[] = [];

process.channel?.ref(); // orders are what it lives for; the probe lets go of the channel
process.on('message', (order: CrowdOrder | string) => {
  if (typeof order === 'string') return; // the probe's
  obey(order).then(
    done => process.send?.({ done: done ?? true }),
    (e: Error) => process.send?.({ done: { failed: e.message } }),
  );
});

async function obey(order: CrowdOrder): Promise<unknown> {
  switch (order.do) {
    case 'publish':
      return order.by === 'rtmp' ? publishRtmp(order.to, order.real === true) : publishWhip(order.to);
    case 'watch':
      return watch(order);
    case 'sockets':
      return sockets(order.count);
    case 'raw':
      return publishRaw(order.port);
    case 'tell': {
      const told: CrowdTold = { packets, pictures, delays: delays.take() };
      packets = pictures = 0;
      return told;
    }
    case 'quiet':
      for (const end of ends.splice(0).reverse()) await end();
      return undefined;
  }
}

/** Calls `show` 30 times a second; the picture is stamped. */
async function pace(
  show: (p: StampedPicture, index: number) => void,
  asked: () => boolean,
  real = false,
): Promise<void> {
  const made = real
    ? await realPictures({ ...SIZE, bitrateBps: 2_000_000, seconds: 6, keyEvery: KEY_EVERY })
    : undefined;
  const { key, between } = await stampedPictures({ ...SIZE, bytes: BYTES, keyBytes: KEY_BYTES });
  const began = performance.now();
  let next = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * SIZE.fps) / 1000;
    for (; next < due; next++) {
      const picture = made?.[next % made.length] ?? (asked() || next % KEY_EVERY === 0 ? key : between);
      if (made === undefined) stamp(picture, nowUs());
      pictures++;
      show(picture, next);
    }
  }, 2);
  ends.push(() => clearInterval(timer));
}

async function publishRtmp(to: string, real: boolean): Promise<void> {
  const url = new URL(to);
  const stream = await openRtmpStream({
    host: '127.0.0.1',
    port: Number(url.port),
    mode: 'publish',
    name: `${url.pathname.replace('/room/', '')}`,
    clock: systemClock,
  });
  ends.push(() => stream.close());
  await pace(
    ({ units, key }, i) => {
      const timestampMs = Math.round((i * 1000) / SIZE.fps);
      const send = (parts: readonly Uint8Array[]): void =>
        stream.send({ type: 'media', media: 'video', timestampMs, parts });
      const of = (type: number): Uint8Array[] => units.filter(u => nalType(u) === type);
      if (key) send(avcConfigTag(writeAvcc(of(NalType.sps), of(NalType.pps))));
      send(
        avcFrameTag(
          key,
          0,
          units.filter(u => !isParameterSet(u)),
        ),
      );
    },
    () => false,
    real,
  );
}

/** Packets with headers of one stream, in buffers of their own. */
function packetizer(ssrc: number, send: (header: Buffer, payload: Uint8Array) => void) {
  const pack = h264Packetizer();
  let seq = 0;
  return (p: StampedPicture, index: number): void =>
    pack(p.units, p.key, (payload, mark) => {
      const out = Buffer.allocUnsafe(RTP_HEADER_BYTES + payload.length + 16);
      writeRtpHeader(out, PAYLOAD_TYPE, mark.end, seq++ & 0xffff, (index * 3000) >>> 0, ssrc);
      send(out, payload);
    });
}

async function publishWhip(url: string): Promise<void> {
  let keyAsked = false;
  const peer = await WebPeer.open({
    url,
    direction: 'sendonly',
    rtcp: p => {
      if (p.some(one => one.type === 'pli' || one.type === 'fir')) keyAsked = true;
    },
  });
  ends.push(() => peer.close());
  const show = packetizer(peer.ssrc, (out, payload) => peer.send(out, RTP_HEADER_BYTES, payload));
  await pace(show, () => {
    const asked = keyAsked;
    keyAsked = false;
    return asked;
  });
}

async function publishRaw(port: number): Promise<void> {
  const socket = dgram.createSocket({ type: 'udp4', lookup: numeric });
  await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
  ends.push(() => socket.close());
  const show = packetizer(1, (out, payload) => {
    out.set(payload, RTP_HEADER_BYTES);
    socket.send(out, 0, RTP_HEADER_BYTES + payload.length, port, '127.0.0.1');
  });
  await pace(show, () => false);
}

async function sockets(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let i = 0; i < count; i++) {
    const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>(done => socket.bind(0, '127.0.0.1', done));
    ends.push(() => socket.close());
    socket.on('message', bytes => {
      packets++;
      if ((bytes[1] as number) & 0x80) delays.add(nowUs() - readStamp(bytes));
    });
    ports.push(socket.address().port);
  }
  return ports;
}

async function watch({
  url,
  from,
  count,
  open,
  everyMs,
}: Extract<CrowdOrder, { do: 'watch' }>): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await watchAs(`${url}?as=viewer-${i}`, i < open);
    await new Promise(resolve => setTimeout(resolve, everyMs));
  }
}

async function watchAs(url: string, opens: boolean): Promise<void> {
  const arrivals = new Arrivals();
  let ssrc = 0;
  let highest = 0;
  const peer: WebPeer = await WebPeer.open({
    url,
    direction: 'recvonly',
    rtp: sealed => {
      packets++;
      ssrc = sealed.readUInt32BE(8);
      highest = sealed.readUInt16BE(2);
      // The only extension in it: 0xBEDE, length, then the transport-wide number.
      if ((sealed[0] as number) & 0x10) arrivals.arrived(sealed.readUInt16BE(17), performance.now());
      const marker = (sealed[1] as number) & 0x80;
      if (!opens) return;
      const plain = peer.unseal(sealed);
      if (marker) delays.add(nowUs() - readStamp(plain));
    },
  });
  let rrAt = performance.now() + RR_EVERY_MS * Math.random();
  const timer = setInterval(() => {
    const now = performance.now();
    const feedback = now >= arrivals.deadline ? arrivals.feedback(peer.ssrc, ssrc) : [];
    const due = ssrc !== 0 && now >= rrAt;
    if (due) rrAt = now + RR_EVERY_MS;
    const block = {
      ssrc,
      fractionLost: 0,
      lost: 0,
      highestSeq: highest,
      jitter: 0,
      lastSr: 0,
      delaySinceLastSr: 0,
    };
    if (due || feedback.length > 0)
      peer.report([{ type: 'rr', ssrc: peer.ssrc, reports: due ? [block] : [] }, ...feedback]);
  }, 25);
  ends.push(
    () => peer.close(),
    () => clearInterval(timer),
  );
}

process.send?.({ ready: true });
