import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODE, LINEAR } from '../../../codecs/g711/tables.ts';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import type { Sound } from '../wav.ts';

export interface SippOptions {
  readonly dir: string;
  readonly server: string;
  readonly room: string;
  readonly plays: Sound;
  /** How long the call lasts after the ACK. */
  readonly seconds: number;
}

/** One sipp call in PCMU: streams a file, and what comes back is captured off the wire and decoded by tshark. */
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
    const audio = join(options.dir, 'plays.ulaw');
    writeFileSync(
      audio,
      Uint8Array.from(options.plays.samples, s => CODE.PCMU[(Math.round(s * 32767) + 32768) >> 2] as number),
    );
    const scenario = join(options.dir, 'call.xml');
    writeFileSync(scenario, rtpScenario(audio, options.seconds * 1000));
    const pcap = join(options.dir, 'heard.pcap');
    const capture = new Child('tshark', 'tshark', ['-i', 'lo', '-f', `udp dst port ${rtp}`, '-w', pcap]);
    await capture.until(/Capturing on/);
    const sipp = new Child('sipp', 'sipp', [
      options.server,
      '-sf',
      scenario,
      '-s',
      options.room,
      '-m',
      '1',
      '-i',
      '127.0.0.1',
      '-p',
      String(sip),
      '-min_rtp_port',
      String(rtp),
      '-max_rtp_port',
      String(rtp + 2),
      '-nostdin',
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

  /** The received PCMU, laid out by RTP timestamps. */
  async heard(): Promise<Sound> {
    const tshark = new Child('tshark', 'tshark', [
      '-r',
      this.#pcap,
      '-d',
      `udp.port==${this.#rtpPort},rtp`,
      '-Y',
      'rtp.p_type==0',
      '-T',
      'fields',
      '-e',
      'rtp.timestamp',
      '-e',
      'rtp.payload',
    ]); // prettier-ignore
    await tshark.exited;
    const packets = tshark.output.split('\n').flatMap(line => {
      const [timestamp, hex] = line.trim().split('\t');
      return timestamp && hex && /^\d+$/.test(timestamp)
        ? [{ at: Number(timestamp), bytes: Buffer.from(hex.replaceAll(':', ''), 'hex') }]
        : [];
    });
    const first = packets[0]?.at ?? 0;
    const at = (t: number): number => (t - first) >>> 0;
    const samples = new Float32Array(
      Math.max(0, ...packets.map(p => (at(p.at) < 1e8 ? at(p.at) + p.bytes.length : 0))),
    );
    for (const p of packets)
      p.bytes.forEach((b, i) => {
        samples[at(p.at) + i] = (LINEAR.PCMU[b] as number) / 32768;
      });
    return { rateHz: 8000, samples };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#sipp.stop(), this.#capture.stop('SIGINT')]);
  }
}

const head = (
  method: string,
  cseq: number,
  to: string,
  extra = '',
): string => `${method} ${method === 'INVITE' ? 'sip:[service]@[remote_ip]:[remote_port]' : '[next_url]'} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]T[call_number]
To: ${to}
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
${extra}Content-Length: `;

const TO = '<sip:[service]@[remote_ip]:[remote_port]>';

const INVITE = `${head('INVITE', 1, TO, 'Content-Type: application/sdp\n')}[len]

v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
`;

const BYE_AND_END = `<send retrans="500"><![CDATA[
${head('BYE', 2, `${TO}[peer_tag_param]`)}0

]]></send>
<recv response="200" crlf="true"/>`;

const CALL = `<send retrans="500"><![CDATA[
${INVITE}]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rtd="true" rrs="true"/>
<send><![CDATA[
${head('ACK', 1, `${TO}[peer_tag_param]`)}0

]]></send>`;

const scenario = (name: string, body: string): string =>
  `<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="${name}">\n${body}\n</scenario>\n`;

const rtpScenario = (audio: string, ms: number): string =>
  scenario(
    'a call that speaks',
    `${CALL}
<nop><action><exec rtp_stream="${audio},-1,0,PCMU/8000"/></action></nop>
<pause milliseconds="${ms}"/>
<nop><action><exec rtp_stream="pause"/></action></nop>
${BYE_AND_END}`,
  );

/** A call without media of its own: INVITE, ACK, `ms` later BYE. For many at once. */
export const plainScenario = (ms: number): string =>
  scenario('a plain call', `${CALL}\n<pause milliseconds="${ms}"/>\n${BYE_AND_END}`);
