/** What may cross processes. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** A message as it is written, of the type it is read as: what comes of a schema has mutable arrays, the seam has not. */
export type Outgoing<T> = [Json] extends [T]
  ? T
  : T extends (infer E)[]
    ? readonly Outgoing<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Outgoing<T[K]> }
      : T;
