import { createSocket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { freePort } from '../ports.ts';
import type { Sound } from '../wav.ts';
import { encoded, type Played, pause, plays, scenario, sdp } from './sipp-scenario.ts';

const HEADERS =
  '[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]U[call_number]\n[last_Call-ID:]\n[last_CSeq:]';
/** To a request within the dialog: its To has the tag. */
const TAGGED = '[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]';
const CONTACT = 'Contact: <sip:uas@[local_ip]:[local_port]>';

/** A response to the request that came last. */
const says = (
  status: string,
  o: { headers?: string; body?: string; tagged?: boolean; again?: boolean } = {},
): string => {
  const body =
    o.body === undefined
      ? 'Content-Length: 0\n\n'
      : `Content-Type: application/sdp\nContent-Length: [len]\n\n${o.body}`;
  const own = status < '3' ? `${CONTACT}\n` : ''; // of a redirection it is where to go
  const more = o.headers === undefined ? '' : `${o.headers}\n`;
  return `<send${o.again ? ' retrans="500"' : ''}><![CDATA[
SIP/2.0 ${status}
${o.tagged ? TAGGED : HEADERS}
${own}${more}${body}]]></send>`;
};
const comes = (request: string): string => `<recv request="${request}"/>`;

/** Refuses with this status line, whatever `headers` says beside it. */
export const refusing = (status: string, headers?: string): string =>
  scenario(
    'a phone that refuses',
    comes('INVITE'),
    says('180 Ringing'),
    says(status, { ...(headers && { headers }), again: true }),
    comes('ACK'),
  );

/** Rings until it is cancelled. */
export const ringing = scenario(
  'a phone nobody picks up',
  comes('INVITE'),
  says('180 Ringing'),
  comes('CANCEL'),
  says('200 OK', { tagged: true }),
  // The 487 belongs to the INVITE, whose CSeq says so.
  `<send retrans="500"><![CDATA[
SIP/2.0 487 Request Terminated
[last_Via:]
[last_From:]
[last_To:];tag=[pid]U[call_number]
[last_Call-ID:]
CSeq: 1 INVITE
Content-Length: 0

]]></send>`,
  comes('ACK'),
);

/** Plays for `ms` before it refuses: an announcement of the network. */
export const announcing = (files: Played, ms: number, status: string): string =>
  scenario(
    'an announcement',
    comes('INVITE'),
    says('183 Session Progress', { body: sdp() }),
    plays(files),
    pause(ms),
    '<nop><action><exec rtp_stream="pause"/></action></nop>',
    `<send retrans="500"><![CDATA[
SIP/2.0 ${status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]U[call_number]
[last_Call-ID:]
CSeq: 1 INVITE
Content-Length: 0

]]></send>`,
    comes('ACK'),
  );

/** Asks for a password once, then answers, and hangs up never. */
export const challenging = (username: string, password: string): string =>
  scenario(
    'a phone with a password',
    comes('INVITE'),
    says('407 Proxy Authentication Required', {
      headers:
        'Proxy-Authenticate: Digest realm="uas", nonce="47ebe028cda119c35d4877b383027d28da013815", algorithm=MD5',
    }),
    comes('ACK'),
    `<recv request="INVITE"><action><verifyauth assign_to="good" username="${username}" password="${password}"/></action></recv>
<nop hide="true" test="good" next="right"/>`,
    says('403 Forbidden'),
    comes('ACK'),
    '<nop hide="true" next="end"/>',
    '<label id="right"/>',
    says('200 OK', { body: sdp(), again: true }),
    comes('ACK'),
    comes('BYE'),
    says('200 OK', { tagged: true }),
    '<label id="end"/>',
  );

/** sipp says nothing to what is no terminal: it is ready when its port is taken. */
async function listening(child: Child, port: number): Promise<void> {
  let ended = false;
  void child.exited.then(() => (ended = true));
  for (let i = 0; i < 200 && !ended; i++) {
    const taken = await new Promise<boolean>(done => {
      const probe = createSocket('udp4');
      probe.once('error', () => done(true));
      probe.bind(port, '127.0.0.1', () => probe.close(() => done(false)));
    });
    if (taken) return;
    await new Promise(done => setTimeout(done, 25));
  }
  throw new Error(`sipp does not listen on ${port}: ${child.output.slice(-2000)}`);
}

/** One call to a sipp that waits for it. */
export class SippUas {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(
    dir: string,
    script: string | ((files: Played) => string),
    sound?: Sound,
  ): Promise<SippUas> {
    mkdirSync(dir, { recursive: true });
    const [sip, rtp] = [await freePort(), await freePort()];
    const files = { PCMU: join(dir, 'plays.ulaw'), PCMA: join(dir, 'plays.alaw') };
    if (sound !== undefined)
      for (const codec of ['PCMU', 'PCMA'] as const) writeFileSync(files[codec], encoded(sound, codec));
    const path = join(dir, 'uas.xml');
    writeFileSync(path, typeof script === 'string' ? script : script(files));
    const child = new Child('sipp', 'sipp', [
      ...[
        '-sf',
        path,
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
      ],
      ...['-nostdin', '-timeout', '60s'],
    ]); // prettier-ignore
    await listening(child, sip);
    return new SippUas(child, sip);
  }

  get sip(): string {
    return `127.0.0.1:${this.port}`;
  }
  get output(): string {
    return this.#child.output;
  }
  /** 0 when the call went as the scenario says. */
  finished(): Promise<number | null> {
    return this.#child.exited;
  }
  stop(): Promise<number | null> {
    return this.#child.stop();
  }
}
