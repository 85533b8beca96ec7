import dgram from 'node:dgram';
import { numeric } from './stream.ts';

/** A call that was answered. */
export interface Call {
  /** Where the answer wants RTP. */
  readonly rtpPort: number;
  /** And pictures; 0: none were offered, or taken. */
  readonly videoPort: number;
  /** Says BYE; resolves with its 200. */
  end(): Promise<void>;
}

interface Exchange {
  readonly final: (message: string) => void;
}

const CRLF = '\r\n';
/** Loopback loses nothing but in overload: an answer later than this is a failed call. */
const ANSWER_MS = 8000;

/**
 * The least of a SIP caller: INVITE, ACK and BYE in plain text over one UDP socket, no retransmission. It shares no
 * code with the program under test and costs next to nothing beside it.
 */
export class Caller {
  readonly #socket = dgram.createSocket({ type: 'udp4', lookup: numeric, recvBufferSize: 1 << 20 });
  readonly #server: number;
  readonly #exchanges = new Map<string, Exchange>();
  #port = 0;
  #serial = 0;
  /** Datagrams sent and received. */
  datagrams = 0;

  /** `server`: SIP port on loopback. */
  constructor(server: number) {
    this.#server = server;
  }

  async open(): Promise<void> {
    await new Promise<void>(resolve => this.#socket.bind(0, '127.0.0.1', resolve));
    this.#port = this.#socket.address().port;
    this.#socket.on('message', bytes => this.#received(bytes.toString('latin1')));
  }

  /** Calls `room` as `user`, offering PCMU at `rtpPort`, and H.264 at `videoPort`. Rejects with the status of a refusal. */
  async call(room: string, user: string, rtpPort: number, videoPort?: number): Promise<Call> {
    const id = `${process.pid}-${++this.#serial}`;
    const uri = `sip:${room}@127.0.0.1:${this.#server}`;
    const from = `<sip:${user}@127.0.0.1>;tag=${id}`;
    const head = (method: string, cseq: number, to: string, body = ''): string =>
      [
        `${method} ${uri} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:${this.#port};branch=z9hG4bK${id}-${method};rport`,
        'Max-Forwards: 70',
        `From: ${from}`,
        `To: ${to}`,
        `Call-ID: ${id}`,
        `CSeq: ${cseq} ${method}`,
        `Contact: <sip:${user}@127.0.0.1:${this.#port}>`,
        ...(body === '' ? [] : ['Content-Type: application/sdp']),
        `Content-Length: ${body.length}`,
        '',
        body,
      ].join(CRLF);
    const answer = await this.#ask(
      `${id} 1 INVITE`,
      head('INVITE', 1, `<${uri}>`, offer(rtpPort, videoPort)),
    );
    const to = /^To:\s*(.*)$/im.exec(answer)?.[1]?.trim() ?? '';
    this.#send(head('ACK', 1, to));
    const status = Number(answer.slice(8, 11));
    const answered = Number(/^m=audio (\d+)/m.exec(answer)?.[1]);
    if (status !== 200 || !(answered > 0)) throw new Error(answer.split(CRLF, 1)[0]);
    return {
      rtpPort: answered,
      videoPort: Number(/^m=video (\d+)/m.exec(answer)?.[1] ?? 0),
      end: async () => void (await this.#ask(`${id} 2 BYE`, head('BYE', 2, to))),
    };
  }

  close(): void {
    this.#socket.close();
  }

  #ask(key: string, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#exchanges.delete(key);
        reject(new Error(`no answer to ${key}`));
      }, ANSWER_MS);
      this.#exchanges.set(key, {
        final: message => {
          clearTimeout(late);
          this.#exchanges.delete(key);
          resolve(message);
        },
      });
      this.#send(text);
    });
  }

  #send(text: string): void {
    this.datagrams++;
    this.#socket.send(text, this.#server, '127.0.0.1');
  }

  #received(text: string): void {
    this.datagrams++;
    if (!text.startsWith('SIP/2.0 ') || text[8] === '1') return;
    const id = /^Call-ID:\s*(\S+)/im.exec(text)?.[1];
    const cseq = /^CSeq:\s*(\d+ \w+)/im.exec(text)?.[1];
    this.#exchanges.get(`${id} ${cseq}`)?.final(text);
  }
}

const offer = (rtpPort: number, videoPort: number | undefined): string =>
  [
    'v=0',
    `o=- ${rtpPort} 1 IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${rtpPort} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    'a=ptime:20',
    ...(videoPort === undefined
      ? []
      : [
          `m=video ${videoPort} RTP/AVP 97`,
          'b=AS:1000',
          'a=rtpmap:97 H264/90000',
          'a=fmtp:97 profile-level-id=42801f;packetization-mode=1',
          'a=rtcp-fb:97 nack pli',
          'a=rtcp-mux',
        ]),
    '',
  ].join(CRLF);
