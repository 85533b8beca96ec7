/** A SIP server of plain sockets that says what a test wants: proxies, registrars and phones that misbehave on demand. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { DigestServer } from '../../src/proto/sip/digest.ts';
import type { SipRequest } from '../../src/proto/sip/message.ts';
import { parseMessage } from '../../src/proto/sip/parse.ts';
import { type HeaderLine, markVia, writeResponse } from '../../src/proto/sip/write.ts';

export const UAS_SDP =
  'v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4444 RTP/AVP 0\r\n';

export interface Said {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly HeaderLine[];
  readonly sdp?: string;
  readonly toTag?: string;
}

/** What it says to a request, in order; nothing: silence. `again`: how often this request came before. */
export type Script = (r: SipRequest, again: number) => readonly Said[];

export class Uas {
  readonly requests: SipRequest[] = [];
  readonly digest = new DigestServer('pbx.test', Buffer.alloc(32, 3));
  script: Script;
  port = 0;
  readonly #socket = createSocket('udp4');
  readonly #seen = new Map<string, number>();
  #last: { request: SipRequest; host: string; port: number } | undefined;

  /** `port` 0: any that is free. */
  static async open(script: Script, port = 0): Promise<Uas> {
    const uas = new Uas(script);
    uas.#socket.bind(port, '127.0.0.1');
    await once(uas.#socket, 'listening');
    uas.port = uas.#socket.address().port;
    return uas;
  }

  private constructor(script: Script) {
    this.script = script;
    this.#socket.on('message', (bytes, from) => {
      const parsed = parseMessage(bytes);
      if (!parsed.ok || parsed.message.kind !== 'request') return;
      const request = parsed.message;
      const key = `${request.via.params.get('branch')}|${request.method}`;
      const again = this.#seen.get(key) ?? 0;
      this.#seen.set(key, again + 1);
      if (again === 0) this.requests.push(request);
      if (request.method === 'INVITE') this.#last = { request, host: from.address, port: from.port };
      for (const said of this.script(request, again)) this.#say(request, said, from.address, from.port);
    });
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.port}`;
  }
  of(method: string): SipRequest[] {
    return this.requests.filter(r => r.method === method);
  }

  /** To the newest INVITE, whenever the test likes. */
  answer(said: Said): void {
    const last = this.#last;
    if (last === undefined) throw new Error('no INVITE came yet');
    this.#say(last.request, said, last.host, last.port);
  }

  close(): void {
    this.#socket.close();
  }

  #say(request: SipRequest, said: Said, host: string, port: number): void {
    const contact: HeaderLine = ['Contact', `<sip:uas@127.0.0.1:${this.port}>`];
    const own = said.status < 300 && request.method === 'INVITE' ? [contact] : [];
    const bytes = writeResponse(request, said.status, {
      topVia: markVia(request.via, host, port),
      ...(said.status > 100 && { toTag: said.toTag ?? 'uas' }),
      ...(said.reason && { reason: said.reason }),
      headers: [...own, ...(said.headers ?? [])],
      ...(said.sdp && { body: { type: 'application/sdp', content: said.sdp } }),
    });
    this.#socket.send(bytes, port, host);
  }
}

const OK: Said = { status: 200 };

/** A phone that rings, answers, and takes everything else politely. */
export const answers: Script = r =>
  r.method === 'INVITE' ? [{ status: 180 }, { status: 200, sdp: UAS_SDP }] : r.method === 'ACK' ? [] : [OK];

/** Says only this to INVITEs (after a 100), and 200 to the rest. */
export const refuses =
  (said: Said): Script =>
  r =>
    r.method === 'INVITE' ? [{ status: 100 }, said] : r.method === 'ACK' ? [] : [OK];

/** Rings until it is cancelled. */
export const rings: Script = r =>
  r.method === 'INVITE' ? [{ status: 180 }] : r.method === 'ACK' ? [] : [OK];

export const silent: Script = () => [];
