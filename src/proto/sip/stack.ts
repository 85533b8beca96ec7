import type { Millis } from '../../kit/core.ts';
import type { SipOutput } from './events.ts';
import { type Flow, isSecure } from './flow.ts';
import type { Capabilities, RequestRefusal } from './inspect.ts';
import type { TransactionLayer } from './layer.ts';
import type { SipRequest } from './message.ts';
import type { Timers } from './timers.ts';
import { bracketed, type HeaderLine } from './write.ts';
import type { Candidate } from './writers.ts';

export interface SipConfig {
  /** False: this request outside any dialog is dropped without an answer. */
  readonly screen?: (request: SipRequest, flow: Flow) => boolean;
  /** The call a text outside of any belongs to (RFC 3428 §4), or why it is nobody's; without it such texts are 405. */
  readonly writer?: WriterOf | undefined;
  /** Bytes nobody can guess: tags, branches, Call-IDs. */
  readonly random: (bytes: number) => Buffer;
  /** Our address as a peer at the far end of `flow` sees it; goes into Via and Contact. */
  readonly local: (flow: Flow) => { readonly host: string; readonly port: number };
  /** Server and User-Agent. */
  readonly name: string;
  readonly infoTypes?: readonly string[];
  /** Texts are taken within calls (MESSAGE, RFC 3428); default not. */
  readonly messages?: boolean;
  /** RFC 4028: how often a session is to be refreshed (default 1800; 0: only where the peer asks for it), and the least we take. */
  readonly sessionExpiresS?: number;
  readonly minSeS?: number;
  /** Tell the state of every dialog as `snapshot`s. */
  readonly snapshots?: boolean;
  /** INVITEs beyond this many calls get 503. */
  readonly maxCalls?: number;
  /** New transactions beyond this many are dropped: what a flood can make us hold. */
  readonly maxTransactions?: number;
  /** Requests outside dialogs a source may send. */
  readonly newRequestsPerSecond?: number;
  readonly newRequestsBurst?: number;
}

/** Which call a text is of, that came outside of them: its id. `candidates`: those that its From and Request-URI fit. */
export type WriterOf = (
  text: SipRequest,
  flow: Flow,
  candidates: readonly Candidate[],
) => string | RequestRefusal;

/** What calls need of the endpoint that holds them. */
export interface Stack {
  readonly config: SipConfig;
  readonly can: Capabilities;
  /** Allow and Supported: RFC 3261 §13.2.1, §13.3.1.4, INVITE and its 2xx SHOULD carry them. */
  readonly told: readonly HeaderLine[];
  readonly timers: Timers;
  readonly layer: TransactionLayer;
  /** The time of the input being handled. */
  readonly now: Millis;
  emit(out: SipOutput): void;
  send(flow: Flow, bytes: Buffer, call: string | undefined): void;
  /** A connection that is open, or a datagram address. */
  lives(flow: Flow): boolean;
}

/** 64 random bits, enough that tags and branches never meet (RFC 3261 §19.3 asks for 32). */
export const newTag = (stack: Stack): string => stack.config.random(8).toString('hex');

/** Uniform enough, 0 … n − 1; n at most 1000. */
export const randomBelow = (stack: Stack, n: number): number => stack.config.random(2).readUInt16BE(0) % n;

export function newVia(stack: Stack, flow: Flow): string {
  const { host, port } = stack.config.local(flow);
  return `SIP/2.0/${flow.transport.toUpperCase()} ${bracketed(host)}:${port};branch=z9hG4bK${newTag(stack)};rport`;
}

/** RFC 7118 §5.2.2 has one word for both kinds of WebSocket; UDP is what a URI without the parameter means. */
const TRANSPORT_PARAM = {
  udp: '',
  tcp: ';transport=tcp',
  tls: ';transport=tls',
  ws: ';transport=ws',
  wss: ';transport=ws',
};

/** The Contact of a dialog: where the peer's next requests find us. `sips`: the dialog began with such a URI (RFC 3261 §12.1.1). */
export function contact(stack: Stack, flow: Flow, user: string | undefined, sips = false): HeaderLine {
  const { host, port } = stack.config.local(flow);
  const at = user === undefined ? '' : `${user}@`;
  const where = `${at}${bracketed(host)}:${port}`;
  // §26.2.2: sips means TLS, `transport=tls` beside it is deprecated.
  const param = sips && flow.transport === 'tls' ? '' : TRANSPORT_PARAM[flow.transport];
  return ['Contact', `<${sips && isSecure(flow) ? 'sips' : 'sip'}:${where}${param}>`];
}
