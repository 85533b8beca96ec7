import { type Flow, flowTo, type Transport } from './flow.ts';

/**
 * What a successor process needs to end a dialog with a proper BYE: RFC 3261 §12 without what only a living call needs.
 * Plain JSON, well under a kilobyte; no secrets (and so no credentials). Byte strings, as everywhere in here.
 */
export interface DialogSnapshot {
  readonly v: 1;
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** From and To of our requests, tags included. */
  readonly local: string;
  readonly remote: string;
  readonly routes: readonly string[];
  readonly target: string;
  /** CSeqs; ours may have gone on by up to `SEQ_SLACK` since. */
  readonly localSeq: number;
  readonly remoteSeq: number | undefined;
  /** The path the peer's requests came by. */
  readonly flow: Pick<Flow, 'transport' | 'host' | 'port' | 'listener' | 'name'> | undefined;
  /** User part of our Contact. */
  readonly contact: string | undefined;
}

/** A snapshot is not renewed for every request of ours: who takes it up counts on from here. */
export const SEQ_SLACK = 1000;

const TRANSPORTS: readonly Transport[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];
const MAX_TEXT = 8192;
const MAX_ROUTES = 32;

/** A snapshot as it came back from wherever it was kept; undefined when it is none. Never throws. */
export function readSnapshot(value: unknown): DialogSnapshot | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const s = value as Record<string, unknown>;
  const texts = [s.callId, s.localTag, s.remoteTag, s.local, s.remote, s.target];
  const routes = s.routes;
  if (s.v !== 1 || !texts.every(isLine) || !Array.isArray(routes) || routes.length > MAX_ROUTES)
    return undefined;
  if (!routes.every(isLine) || !isSeq(s.localSeq)) return undefined;
  if (s.remoteSeq !== undefined && !isSeq(s.remoteSeq)) return undefined;
  if (s.contact !== undefined && !isLine(s.contact)) return undefined;
  if (s.flow !== undefined && flowOf(s.flow) === undefined) return undefined;
  return value as DialogSnapshot;
}

/** The flow of a snapshot that was read. */
export const flowOf = (value: unknown): Flow | undefined => {
  const { transport, host, port, listener, name } = (value ?? {}) as Record<string, unknown>;
  if (!TRANSPORTS.includes(transport as Transport) || !isLine(host) || !Number.isInteger(port))
    return undefined;
  const more = {
    ...(Number.isInteger(listener) && { listener: listener as number }),
    ...(isLine(name) && { name }),
  };
  return flowTo(transport as Transport, host, port as number, more);
};

/** Goes on a line of a message as it is. */
const isLine = (v: unknown): v is string =>
  typeof v === 'string' && v.length <= MAX_TEXT && !/[\r\n\0\u0100-\uffff]/.test(v);
const isSeq = (v: unknown): v is number =>
  Number.isInteger(v) && (v as number) >= 0 && (v as number) < 2 ** 31;
