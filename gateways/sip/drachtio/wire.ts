/** The little of drachtio-srf that is used here, with types: its own are incomplete. */
import Srf from 'drachtio-srf';
import type { HeaderLine } from '../../../src/proto/sip/write.ts';

export type Headers = Record<string, string>;

/** A message as drachtio-server passed it on, or as it says it has sent it. */
export interface WireMessage {
  readonly raw: string;
}

export interface WireResponse extends WireMessage {
  readonly status: number;
  readonly reason: string;
  readonly body: string | undefined;
  readonly stackDialogId: string | undefined;
}

/** Acknowledges a response: ACK, or PRACK of a reliable provisional one. */
export type Acknowledge = (o?: { readonly body?: string; readonly headers?: Headers }) => void;

export interface SentRequest extends WireMessage {
  on(event: 'response', listener: (response: WireResponse, acknowledge: Acknowledge) => void): void;
  cancel(o: { readonly headers?: Headers }, done: (error: Error | null) => void): void;
}

export interface ReceivedRequest extends WireMessage {
  readonly method: string;
  /** `application`: drachtio-server did it by itself, a BYE after a lost ACK. */
  readonly source: 'network' | 'application';
  readonly source_address: string;
  readonly source_port: number;
  readonly protocol: string;
  /** Of the dialog it belongs to; absent for a request outside any. */
  readonly stackDialogId: string | undefined;
  on(event: 'cancel', listener: (cancel: WireMessage) => void): void;
  on(event: 'update', listener: (request: ReceivedRequest, response: Answering) => void): void;
}

export interface Answering {
  /** Set once an answer that makes a dialog was sent. */
  readonly stackDialogId: string | undefined;
  send(
    status: number,
    o: { readonly reason?: string; readonly headers?: Headers; readonly body?: string | undefined },
    sent: (error: unknown, message: WireMessage | undefined) => void,
  ): void;
}

export interface RequestOptions {
  readonly method: string;
  readonly uri: string;
  /** In a dialog. */
  readonly stackDialogId?: string;
  readonly proxy?: string;
  readonly headers: Headers;
  readonly body?: string | undefined;
  readonly auth?: { readonly username: string; readonly password: string };
}

export interface Wire {
  request(o: RequestOptions, sent: (error: Error | null, request: SentRequest | undefined) => void): void;
  connect(o: { host: string; port: number; secret: string }): void;
  disconnect(): void;
  readonly app: { readonly client?: { readonly wp: { closing: boolean } } };
  on(event: 'connect', listener: (error: Error | null, hostPorts: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'close', listener: () => void): void;
  /** Requests of `method` that come in. */
  use(method: string, handler: (request: ReceivedRequest, response: Answering) => void): void;
}

/** Ends the connection, or the tries to make one: `disconnect` throws while there is none, and goes on trying. */
export function endWire(wire: Wire): void {
  try {
    wire.disconnect();
  } catch {
    const { client } = wire.app;
    if (client !== undefined) client.wp.closing = true;
  }
}

export const openWire = (): Wire => new Srf() as unknown as Wire;

/**
 * Lines as drachtio takes them: one value a name. What it is given twice is joined by commas; challenges must not be
 * (RFC 3261 §7.3.1), so the last stands alone: that is the MD5 one, which every phone knows.
 */
export function headersOf(lines: readonly HeaderLine[] = []): Headers {
  const all: Headers = {};
  for (const [name, value] of lines) {
    const before = /^(www|proxy)-authenticate$/i.test(name) ? undefined : all[name];
    all[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return all;
}
