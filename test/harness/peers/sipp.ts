import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Law, LINEAR } from '../../../codecs/g711/tables.ts';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import type { Sound } from '../wav.ts';
import { encoded, type Played, speaks } from './sipp-scenario.ts';

export interface SippOptions {
  readonly dir: string;
  readonly server: string;
  readonly room: string;
  /** At 8 kHz: it goes out as PCMU, sample by sample. */
  readonly plays: Sound;
  /** How long the call lasts after the ACK. */
  readonly seconds: number;
  /** What happens in the call; absent: it plays for `seconds` and hangs up. */
  readonly scenario?: (played: Played) => string;
  /** More of sipp's own arguments. */
  readonly args?: readonly string[];
}

interface Packet {
  /** Since the first packet of the capture. */
  readonly ms: number;
  readonly ssrc: string;
  readonly law: Law;
  readonly timestamp: number;
  readonly bytes: Buffer;
}

/** One sipp call in G.711: streams a file, and what comes back is captured off the wire and decoded by tshark. */
export class SippCall {
  readonly #sipp: Child;
  readonly #capture: Child;
  readonly #pcap: string;
  readonly #rtpPort: number;

  private constructor(sipp: Child, capture: Child, pcap: string, rtpPort: number) {
    this.#sipp = sipp;
    this.#capture = capture;
    this.#pcap = pcap;
    this.#rtpPort = rtpPort;
  }

  static async start(options: SippOptions): Promise<SippCall> {
    mkdirSync(options.dir, { recursive: true });
    const [sip, rtp] = [await freePort(), await freePort()];
    const played = { PCMU: join(options.dir, 'plays.ulaw'), PCMA: join(options.dir, 'plays.alaw') };
    for (const codec of ['PCMU', 'PCMA'] as const)
      writeFileSync(played[codec], encoded(options.plays, codec));
    const script = join(options.dir, 'call.xml');
    const write = options.scenario ?? (files => speaks(files, options.seconds * 1000));
    writeFileSync(script, write(played));
    const pcap = join(options.dir, 'heard.pcap');
    const capture = new Child('tshark', 'tshark', ['-i', 'lo', '-f', `udp dst port ${rtp}`, '-w', pcap]);
    await capture.until(/Capturing on/);
    const sipp = new Child('sipp', 'sipp', [
      options.server,
      '-sf',
      script,
      '-s',
      options.room,
      '-m',
      '1',
      '-i',
      '127.0.0.1',
      '-p',
      String(sip),
      '-mi',
      '127.0.0.1',
      '-mp',
      String(rtp),
      '-nostdin',
      ...(options.args ?? []),
      '-timeout',
      `${options.seconds + 20}s`,
    ]); // prettier-ignore
    return new SippCall(sipp, capture, pcap, rtp);
  }

  /** sipp's exit code: 0 when the call went as its scenario says. */
  async finished(): Promise<number | null> {
    const code = await this.#sipp.exited;
    await this.#capture.stop('SIGINT');
    return code;
  }
  get output(): string {
    return this.#sipp.output;
  }

  /** What came in G.711, laid out by RTP timestamps; a stream that begins anew is placed by its arrival. */
  async heard(): Promise<Sound> {
    const packets = await this.#packets();
    const starts = new Map<number, { ms: number; timestamp: number }>();
    let last: Packet | undefined;
    let run = 0;
    const at = packets.map(p => {
      const jump = last === undefined ? 0 : ((p.timestamp - last.timestamp) | 0) / 8 - (p.ms - last.ms);
      if (last === undefined || p.ssrc !== last.ssrc || Math.abs(jump) > 1000)
        starts.set(++run, { ms: p.ms, timestamp: p.timestamp });
      last = p;
      const start = starts.get(run) as { ms: number; timestamp: number };
      return Math.max(0, Math.round(start.ms * 8) + ((p.timestamp - start.timestamp) | 0));
    });
    const samples = new Float32Array(Math.max(0, ...packets.map((p, i) => at[i]! + p.bytes.length)));
    for (const [i, p] of packets.entries())
      p.bytes.forEach((b, j) => {
        samples[at[i]! + j] = (LINEAR[p.law][b] as number) / 32768;
      });
    return { rateHz: 8000, samples };
  }

  /** The longest time, ms, between two packets of media. */
  async longestGapMs(): Promise<number> {
    const packets = await this.#packets();
    return Math.max(0, ...packets.slice(1).map((p, i) => p.ms - packets[i]!.ms));
  }

  /** The codec of each packet that came. */
  async codecs(): Promise<Law[]> {
    return (await this.#packets()).map(p => p.law);
  }

  async #packets(): Promise<Packet[]> {
    const fields = ['frame.time_relative', 'rtp.ssrc', 'rtp.p_type', 'rtp.timestamp', 'rtp.payload'];
    const tshark = new Child('tshark', 'tshark', [
      ...['-r', this.#pcap, '-d', `udp.port==${this.#rtpPort},rtp`, '-Y', 'rtp', '-T', 'fields'],
      ...fields.flatMap(f => ['-e', f]),
    ]);
    await tshark.exited;
    return tshark.output.split('\n').flatMap(line => {
      const [seconds, ssrc = '', type, timestamp, hex] = line.trim().split('\t');
      const law = type === '0' ? 'PCMU' : 'PCMA';
      return hex && (type === '0' || type === '8')
        ? [
            {
              ms: Number(seconds) * 1000,
              ssrc,
              law,
              timestamp: Number(timestamp),
              bytes: Buffer.from(hex.replaceAll(':', ''), 'hex'),
            } as const,
          ]
        : [];
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#sipp.stop(), this.#capture.stop('SIGINT')]);
  }
}
