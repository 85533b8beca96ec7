import dgram from 'node:dgram';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import { readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { isRtcp, RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import type { Delays } from './delays.ts';
import { nowUs, readStamp, type StampedPicture, stamp } from './stamped.ts';
import { numeric } from './stream.ts';

export const VIDEO_FPS = 15;
const PAYLOAD_TYPE = 97;

/** What a phone shows and sees: stamped pictures with its number in every byte, keyframes when asked. */
export class VideoPhone {
  received = 0;
  /** Whose picture came last, and since when, ms. */
  sees = -1;
  seesSinceMs = 0;
  readonly #id: number;
  readonly #socket = dgram.createSocket({ type: 'udp4', lookup: numeric, recvBufferSize: 256 * 1024 });
  readonly #delays: Delays;
  readonly #key: StampedPicture;
  readonly #between: StampedPicture;
  readonly #pack = h264Packetizer();
  #seq = 0;
  #shown = 0;
  #keyAsked = true;

  constructor(id: number, pictures: { key: StampedPicture; between: StampedPicture }, delays: Delays) {
    this.#id = id;
    this.#delays = delays;
    this.#key = marked(pictures.key, id);
    this.#between = marked(pictures.between, id);
  }

  async open(): Promise<number> {
    await new Promise<void>(resolve => this.#socket.bind(0, '127.0.0.1', resolve));
    this.#socket.on('message', bytes => this.#came(bytes));
    return this.#socket.address().port;
  }

  show(port: number): void {
    const picture = this.#keyAsked ? this.#key : this.#between;
    this.#keyAsked = false;
    stamp(picture, nowUs());
    const timestamp = (this.#shown++ * 90_000) / VIDEO_FPS;
    this.#pack(picture.units, picture.key, (payload, mark) => {
      const out = Buffer.allocUnsafe(RTP_HEADER_BYTES + payload.length);
      writeRtpHeader(out, PAYLOAD_TYPE, mark.end, this.#seq++ & 0xffff, timestamp, this.#id + 1);
      out.set(payload, RTP_HEADER_BYTES);
      this.#socket.send(out, port, '127.0.0.1');
    });
  }

  close(): void {
    this.#socket.close();
  }

  #came(bytes: Buffer): void {
    if (isRtcp(bytes)) {
      const packets = readRtcp(bytes);
      if (typeof packets !== 'string' && packets.some(p => p.type === 'pli' || p.type === 'fir'))
        this.#keyAsked = true;
      return;
    }
    this.received++;
    if (((bytes[1] as number) & 0x80) === 0 || bytes.length < 64) return;
    this.#delays.add(nowUs() - readStamp(bytes));
    const shows = (bytes[bytes.length - 20] as number) - FIRST_MARK;
    if (shows === this.sees) return;
    this.sees = shows;
    this.seesSinceMs = performance.now();
  }
}

const FIRST_MARK = 0x20;
const HEAD_BYTES = 24;
function marked({ units, key }: StampedPicture, id: number): StampedPicture {
  const own = units.map(u => u.slice());
  own.at(-1)?.fill(FIRST_MARK + id, HEAD_BYTES);
  return { units: own, key };
}
