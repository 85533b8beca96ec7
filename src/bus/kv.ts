import type { Json } from '../contract.ts';

/** A value as it was read. */
export interface KvEntry {
  readonly value: Json;
  /** Grows with every write. Good for this process only: after a loss of the store none of the old ones matches. */
  readonly revision: number;
}

/**
 * What the processes must agree on: who hosts a room, what all keep secret. One bucket for the system, small values.
 *
 * Keys are words of letters, digits, `-`, `_` and `%` joined by dots: `room.1000`; a word made from anything a stranger
 * chose goes through `subjectWord`. A prefix is whole words: `room` has `room.1000`, not `rooms.1` nor `room` itself.
 *
 * Everything rejects with a Refusal when the store cannot be asked (`bus-down`, `bus-closed`, `timeout`,
 * `no-jetstream`, `too-large`), and then nothing is known of whether it was written.
 */
export interface KeyValue {
  get(key: string): Promise<KvEntry | undefined>;
  /** The revision written; undefined: the key exists. */
  create(key: string, value: Json): Promise<number | undefined>;
  /** The revision written; undefined: `revision` is not the newest, somebody was first (or has deleted it). */
  update(key: string, value: Json, revision: number): Promise<number | undefined>;
  /** False: `revision` is not the newest, or there is no such key. */
  delete(key: string, revision?: number): Promise<boolean>;
  keys(prefix: string): Promise<string[]>;
  /**
   * Told of all that is there, then of every change, undefined: deleted. Told again after the store was away; what
   * vanished meanwhile is told as deleted.
   */
  watch(prefix: string, on: (key: string, entry: KvEntry | undefined) => void): () => void;
}

const LONGEST = 256;
const KEY = /^[A-Za-z0-9_%-]+(\.[A-Za-z0-9_%-]+)*$/;

/** Throws a RangeError: keys and prefixes are written by us, so a bad one is a bug. */
export function checkKey(key: string): void {
  if (key.length > LONGEST || !KEY.test(key))
    throw new RangeError(`'${key.slice(0, 80)}' is not a key: words joined by dots`);
}

export const isUnder = (prefix: string, key: string): boolean => key.startsWith(`${prefix}.`);
