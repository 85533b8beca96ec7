import dgram from 'node:dgram';
import { openEncoder } from '../../codecs/audio.ts';
import { encodeAll, noise } from '../../codecs/testing/sound.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { G711_BYTES, numeric } from './stream.ts';

export const PTIME_MS = 20;
/** Payloads a phone repeats: half a second. */
const PAYLOADS = 25;
/** A voice close to the microphone, and the room noise of a quiet office. */
const TALK_DBOV = -26;
const QUIET_DBOV = -72;
const SILENCE = 0xff;

/** The sound of one G.711 phone: sends a packet when told to, counts what comes. */
export class Phone {
  received = 0;
  /** Packets with anything in them but digital silence. */
  audible = 0;
  /** Packets that the far end numbered but that never came. */
  get lost(): number {
    return this.received === 0 ? 0 : this.#highest - this.#first + 1 - this.received;
  }
  readonly #socket = dgram.createSocket({ type: 'udp4', lookup: numeric, recvBufferSize: 64 * 1024 });
  /** Says what it says when it talks. */
  talks = false;
  readonly #payloads: readonly Uint8Array[];
  readonly #talking: readonly Uint8Array[];
  readonly #ssrc: number;
  #seq = 0;
  #first = -1;
  #highest = 0;

  /** `talking`: while `talks`; default: always the same. */
  constructor(ssrc: number, payloads: readonly Uint8Array[], talking = payloads) {
    this.#ssrc = ssrc;
    this.#payloads = payloads;
    this.#talking = talking;
  }

  async open(): Promise<number> {
    await new Promise<void>(resolve => this.#socket.bind(0, '127.0.0.1', resolve));
    this.#socket.on('message', bytes => this.#heard(bytes));
    return this.#socket.address().port;
  }

  send(port: number): void {
    const packet = Buffer.allocUnsafe(RTP_HEADER_BYTES + G711_BYTES);
    writeRtpHeader(packet, 0, this.#seq === 0, this.#seq, this.#seq * G711_BYTES, this.#ssrc);
    const said = this.talks ? this.#talking : this.#payloads;
    packet.set(said[this.#seq % PAYLOADS] as Uint8Array, RTP_HEADER_BYTES);
    this.#seq++;
    this.#socket.send(packet, port, '127.0.0.1');
  }

  /** Counts begin anew. */
  reset(): void {
    this.received = this.audible = 0;
    this.#first = -1;
  }

  close(): void {
    this.#socket.close();
  }

  #heard(bytes: Buffer): void {
    if (bytes.length < RTP_HEADER_BYTES || ((bytes[1] as number) & 0x7f) !== 0) return; // RTCP
    const seq = bytes.readUInt16BE(2);
    if (this.#first < 0) this.#first = this.#highest = seq;
    const step = ((seq - this.#highest) << 16) >> 16; // the counter is 16 bits wide and wraps every 22 minutes
    if (step > 0) this.#highest += step;
    this.received++;
    for (let i = RTP_HEADER_BYTES; i < bytes.length; i++)
      if (((bytes[i] as number) | 0x80) !== SILENCE) {
        this.audible++;
        return;
      }
  }
}

/** What phones that talk and phones that are quiet say. */
export async function voices(): Promise<{ talking: readonly Uint8Array[]; quiet: readonly Uint8Array[] }> {
  const said = async (dBov: number): Promise<readonly Uint8Array[]> => {
    const encoder = await openEncoder({ codec: 'PCMU', clockRate: 8000 }, 8000);
    return encodeAll(encoder, noise(PAYLOADS * G711_BYTES, dBov));
  };
  return { talking: await said(TALK_DBOV), quiet: await said(QUIET_DBOV) };
}
