import type { JsMsg } from '@nats-io/jetstream';
import type { KvEntry as NatsEntry } from '@nats-io/kv';
import type { KvEntry } from './kv.ts';
import { BUCKET, type OpenStore } from './nats-store.ts';
import { decode } from './wire.ts';

/** A revision tells its store too: the sequence numbers of one fit below this. */
export const SEQUENCES = 2 ** 32;
/** The subject of a key in the bucket's stream is this and the key (ADR-8 of NATS). */
const SUBJECTS = `$KV.${BUCKET}.`;

/** NATS knows no `%` in keys, and `subjectWord` no `=`. */
export const toNats = (key: string): string => key.replaceAll('%', '=');
const fromNats = (key: string): string => key.replaceAll('=', '%');

export const subjectOf = (key: string): string => SUBJECTS + toNats(key);
/** The subjects of all keys of a prefix. */
export const subjectsUnder = (prefix: string): string => `${subjectOf(prefix)}.>`;

export const revisionOf = (sequence: number, { generation }: OpenStore): number =>
  generation * SEQUENCES + sequence;

/** Undefined: `revision` is of a store that is gone. */
export const sequenceOf = (revision: number, { generation }: OpenStore): number | undefined =>
  Math.floor(revision / SEQUENCES) === generation ? revision % SEQUENCES : undefined;

/** Undefined: there is none, or the mark of a deletion. */
export function entryOf(entry: NatsEntry | null, store: OpenStore): KvEntry | undefined {
  if (entry === null || entry.operation !== 'PUT') return undefined;
  return { value: decode(entry.string()) ?? null, revision: revisionOf(entry.revision, store) };
}

/** The same of a message of the bucket's stream: a deletion is told in a header, by whoever made it. */
export function changeOf(message: JsMsg, store: OpenStore): { key: string; entry: KvEntry | undefined } {
  const key = fromNats(message.subject.slice(SUBJECTS.length));
  const operation = message.headers?.get('KV-Operation') || 'PUT';
  // The server's own, where an operator gave the bucket an age.
  const isMark = operation !== 'PUT' || message.headers?.has('Nats-Marker-Reason') === true;
  if (isMark) return { key, entry: undefined };
  return {
    key,
    entry: { value: decode(message.string()) ?? null, revision: revisionOf(message.seq, store) },
  };
}
