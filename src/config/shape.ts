import { z } from 'zod';

/** What the config walkers need of a schema: its JSON Schema (input side) with our `meta` beside the standard keys. */
export interface Shape {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly additionalProperties?: false | Shape;
  readonly anyOf?: readonly Shape[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  /** Masked when shown; may come from a file named by `<key>File`. */
  readonly secret?: boolean;
  /** What a value must be, for error texts: `a duration such as 20ms`. */
  readonly kind?: string;
  /** A port that is listened on. */
  readonly listens?: 'tcp' | 'udp' | 'udp+tcp';
}

export const shapeOf = (schema: z.ZodType): Shape =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;

export type Path = readonly (string | number)[];
export type Tree = Record<string, unknown>;

export const isTree = (v: unknown): v is Tree => typeof v === 'object' && v !== null && !Array.isArray(v);

/** `auth.apps[0].key`. */
export const dotted = (path: Path): string =>
  path.reduce<string>(
    (text, p) => (typeof p === 'number' ? `${text}[${p}]` : text === '' ? p : `${text}.${p}`),
    '',
  );

/** The keys that may be written in a section: `<key>File` beside each secret too. */
export const keysOf = (shape: Shape | undefined): string[] =>
  Object.entries(shape?.properties ?? {}).flatMap(([key, child]) =>
    child.secret ? [key, `${key}File`] : [key],
  );

export function shapeAt(shape: Shape | undefined, path: Path): Shape | undefined {
  for (const p of path) {
    if (typeof p === 'number') shape = shape?.items;
    else shape = shape?.properties?.[p] ?? (shape?.additionalProperties || undefined);
  }
  return shape;
}

export function valueAt(tree: unknown, path: Path): unknown {
  for (const p of path) {
    if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, p)) return undefined;
    tree = (tree as Tree)[p];
  }
  return tree;
}

/** Every key path of the schema, array entries as `[0]`. */
export function* paths(shape: Shape, at: Path = []): Generator<{ path: Path; shape: Shape }> {
  for (const [key, child] of Object.entries(shape.properties ?? {})) {
    const path = [...at, key];
    yield { path, shape: child };
    yield* paths(child, path);
    if (child.items) yield* paths(child.items, [...path, 0]);
  }
}
