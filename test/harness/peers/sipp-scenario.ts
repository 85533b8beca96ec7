import { CODE, type Law } from '../../../codecs/g711/tables.ts';
import type { Sound } from '../wav.ts';

/** The same sound as a file for each codec sipp may be told to speak. */
export type Played = Readonly<Record<Law, string>>;

/** 16-bit-scaled samples as bytes on the wire. */
export const encoded = (sound: Sound, law: Law): Uint8Array =>
  Uint8Array.from(sound.samples, s => CODE[law][(Math.round(s * 32767) + 32768) >> 2] as number);

/** RFC 3551 table 4. */
const TYPES: Readonly<Record<Law, number>> = { PCMU: 0, PCMA: 8 };

/** Where a phone that takes part in nothing but signalling would be called. */
const TO = '<sip:[service]@[remote_ip]:[remote_port]>';

interface SdpOptions {
  /** `m=` formats and `a=` lines; default PCMU alone. */
  readonly codec?: Law;
  readonly direction?: 'sendonly' | 'recvonly' | 'inactive';
  /** RFC 2543's hold. */
  readonly nowhere?: boolean;
  readonly version?: number;
}

/** What sipp offers or answers. */
export const sdp = ({ codec = 'PCMU', direction, nowhere, version = 1 }: SdpOptions = {}): string =>
  [
    'v=0',
    `o=sipp 1 ${version} IN IP4 [local_ip]`,
    's=-',
    `c=IN IP4 ${nowhere ? '0.0.0.0' : '[media_ip]'}`,
    't=0 0',
    `m=audio [rtpstream_audio_port] RTP/AVP ${TYPES[codec]}`,
    `a=rtpmap:${TYPES[codec]} ${codec}/8000`,
    ...(direction ? [`a=${direction}`] : []),
    '',
  ].join('\n');

interface MessageOptions {
  /** Sent to the peer's Contact, with its tag. */
  readonly inDialog?: boolean;
  /** With the peer's tag, but to the address that was called: the ACK of a refusal. */
  readonly tagged?: boolean;
  readonly room?: string | undefined;
  readonly body?: string;
  /** Of the body; default a session description. */
  readonly type?: string;
  /** Steps since the request whose branch this one shares (RFC 3261 §9.1, §17.1.1.3). */
  readonly sameAs?: number;
}

function message(method: string, cseq: number, o: MessageOptions): string {
  const uri = o.inDialog ? '[next_url]' : `sip:${o.room ?? '[service]'}@[remote_ip]:[remote_port]`;
  const body = o.body === undefined ? '0\n\n' : `[len]\n\n${o.body}`;
  return `<![CDATA[
${method} ${uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch${o.sameAs === undefined ? '' : `-${o.sameAs}`}]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]T[call_number]
To: ${TO}${o.inDialog || o.tagged ? '[peer_tag_param]' : ''}
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
${o.body === undefined ? '' : `Content-Type: ${o.type ?? 'application/sdp'}\n`}Content-Length: ${body}]]>`;
}

const send = (text: string, again = ''): string => `<send${again}>${text}</send>`;
const AGAIN = ' retrans="500"';
const PROVISIONAL = `<recv response="100" optional="true"/>
<recv response="180" optional="true"/>`;

/** Fails the scenario unless the text matches. `part`: `body`, or the name of a header. */
const holds = (pattern: string, part: string): string => {
  const where = part === 'body' ? 'search_in="body"' : `search_in="hdr" header="${part}:"`;
  return `<action><ereg regexp="${pattern}" ${where} check_it="true" assign_to="seen"/></action>`;
};

interface CallOptions {
  readonly offer?: string;
  readonly room?: string;
  /** What the answer must match. */
  readonly answer?: string;
}

/** INVITE, 200, ACK. */
export const call = ({ offer = sdp(), room, answer }: CallOptions = {}): string => `
${send(message('INVITE', 1, { body: offer, room }), AGAIN)}
${PROVISIONAL}
<recv response="200" rtd="true" rrs="true">${answer ? holds(answer, 'body') : ''}</recv>
${send(message('ACK', 1, { inDialog: true }))}`;

/** INVITE without a description, 200 with theirs, ACK with ours. */
export const offerless = (offered: string, answer = sdp()): string => `
${send(message('INVITE', 1, {}), AGAIN)}
${PROVISIONAL}
<recv response="200" rrs="true">${holds(offered, 'body')}</recv>
${send(message('ACK', 1, { inDialog: true, body: answer }))}`;

/** An INVITE that must be refused with `status`, for a reason that matches in `header`. */
export const refused = (offer: string, status: number, header: string, pattern: string): string => `
${send(message('INVITE', 1, { body: offer }), AGAIN)}
${PROVISIONAL}
<recv response="${status}">${holds(pattern, header)}</recv>
${send(message('ACK', 1, { tagged: true, sameAs: 4 }))}`;

/** An INVITE taken back while it rings. */
export const cancelled = `
${send(message('INVITE', 1, { body: sdp() }), AGAIN)}
<recv response="100"/>
<recv response="180"/>
${send(message('CANCEL', 1, { sameAs: 3 }), AGAIN)}
<recv response="200"/>
<recv response="487"/>
${send(message('ACK', 1, { tagged: true, sameAs: 6 }))}`;

/** Another offer within the call. `answer`: what the 200's description must match. */
export const reinvite = (cseq: number, offer: string, answer: string): string => `
${send(message('INVITE', cseq, { inDialog: true, body: offer }), AGAIN)}
${PROVISIONAL}
<recv response="200">${holds(answer, 'body')}</recv>
${send(message('ACK', cseq, { inDialog: true }))}`;

/** Another offer, which is refused; the call goes on. */
export const reinviteRefused = (cseq: number, offer: string, status: number, warning: string): string => `
${send(message('INVITE', cseq, { inDialog: true, body: offer }), AGAIN)}
${PROVISIONAL}
<recv response="${status}">${holds(warning, 'Warning')}</recv>
${send(message('ACK', cseq, { inDialog: true, sameAs: 4 }))}`;

/** A text within the call, which gets `status`. */
export const writes = (cseq: number, text: string, status: number): string => `
${send(message('MESSAGE', cseq, { inDialog: true, body: text, type: 'text/plain' }), AGAIN)}
<recv response="${status}"/>`;

export const plays = (files: Played, codec: Law = 'PCMU'): string =>
  `<nop><action><exec rtp_stream="${files[codec]},-1,${TYPES[codec]},${codec}/8000"/></action></nop>`;
const silent = '<nop><action><exec rtp_stream="pause"/></action></nop>';
export const pause = (ms: number): string => `<pause milliseconds="${ms}"/>`;

export const bye = (cseq: number): string => `
${send(message('BYE', cseq, { inDialog: true }), AGAIN)}
<recv response="200" crlf="true"/>`;

const ok = (body?: string): string => `<![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port]>
${body === undefined ? 'Content-Length: 0\n\n' : `Content-Type: application/sdp\nContent-Length: [len]\n\n${body}`}]]>`;

/** Waits for the other side's BYE, whose Reason must match, and answers it. */
export const hungUp = (reason: string): string => `
<recv request="BYE">${holds(reason, 'Reason')}</recv>
${send(ok())}`;

/** Waits for an offer of the other side that matches, and takes it. */
export const reinvited = (offer: string, answer = sdp({ version: 2 })): string => `
<recv request="INVITE">${holds(offer, 'body')}</recv>
${send(ok(answer), AGAIN)}
<recv request="ACK"/>`;

export const scenario = (name: string, ...steps: string[]): string => {
  const body = steps.join('\n');
  const seen = body.includes('"seen"') ? '\n<Reference variables="seen"/>' : '';
  return `<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="${name}">\n${body}${seen}\n</scenario>\n`;
};

/** A call that plays its file for `ms` and hangs up. */
export const speaks = (files: Played, ms: number): string =>
  scenario('a call that speaks', call(), plays(files), pause(ms), silent, bye(2));

/** A call without media of its own, for many at once. `room`: a field of an injection file. */
export const plainScenario = (ms: number, room?: string): string =>
  scenario('a plain call', call(room === undefined ? {} : { room }), pause(ms), bye(2));

/** A call without media of its own that takes every new offer, until it is hung up on. */
export const standingScenario = (room?: string): string =>
  scenario(
    'a call that stands',
    call(room === undefined ? {} : { room }),
    '<label id="1"/>\n<recv request="BYE" optional="true" next="2"/>\n<recv request="INVITE"/>',
    send(ok(sdp({ version: 2 })), AGAIN),
    '<recv request="ACK" next="1"/>\n<label id="2"/>',
    send(ok()),
  );
