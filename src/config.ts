import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { z } from 'zod';
import { envOverrides, type Override, put } from './config/env.ts';
import { crossChecks, type Platform, platformShape } from './config/platform.ts';
import { sentences, type Where } from './config/problems.ts';
import { effective, resolveSecretFiles } from './config/secrets.ts';
import { isTree, type Path, type Shape, shapeOf, type Tree } from './config/shape.ts';
import type { Gateway } from './contract.ts';
import { Refusal } from './kit/refusal.ts';

export { exampleYaml } from './config/example.ts';
export type { Platform } from './config/platform.ts';

/** The whole schema: the platform's sections and one for each gateway, under its name. */
export interface Composed {
  readonly schema: z.ZodType<Tree>;
  readonly shape: Shape;
  readonly gateways: readonly string[];
}

export interface Sources {
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Command line options: stronger than the environment, which is stronger than the file. */
  readonly options?: readonly Override[];
}

export interface Loaded {
  readonly platform: Platform & { readonly dataDir: string };
  /** The checked section of each gateway, by its name. */
  readonly gateways: Readonly<Record<string, unknown>>;
  /** The same in the words of the file, secrets hidden. */
  readonly shown: Tree;
}

/** A config that cannot be used; `problems` are sentences, the message is all of them. */
export class ConfigError extends Refusal {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super({ blame: 'client', reason: 'bad-config', text: problems.join('\n') });
    this.problems = problems;
  }
}

export function composeConfig(gateways: readonly Gateway[]): Composed {
  const slices = Object.fromEntries(
    gateways.map(g => {
      if (g.name in platformShape) throw new Error(`The gateway name ${g.name} is a key of the platform.`);
      const slice = (g.config as z.ZodType<unknown, unknown>)
        .prefault({})
        .describe(g.config.description ?? `The ${g.name} gateway.`);
      return [g.name, slice];
    }),
  );
  const schema = z.strictObject({ ...platformShape, ...slices }).superRefine((config, context) => {
    crossChecks(config as unknown as Platform, (path, message) =>
      context.addIssue({ code: 'custom', path, message }),
    );
  });
  return { schema, shape: shapeOf(schema), gateways: gateways.map(g => g.name) };
}

/** Removes known keys that are written without a value: `bus:` alone is the same as no `bus`. */
function dropEmpty(shape: Shape, tree: Tree): void {
  for (const [key, child] of Object.entries(shape.properties ?? {})) {
    const value = tree[key];
    if (value === null) delete tree[key];
    else if (isTree(value)) dropEmpty(child, value);
  }
}

/** The line a key stands on; of a key that is not there, that of the nearest level above. */
function lineOf(root: Node | null, path: Path, lines: LineCounter): number | undefined {
  let node: unknown = root;
  let found: number | undefined;
  for (const p of path) {
    if (!isMap(node) && typeof p === 'string') break;
    const pair = isMap(node)
      ? (node.items.find(i => isScalar(i.key) && i.key.value === p) as Pair<Node, Node> | undefined)
      : undefined;
    const next = pair ? pair.key : ((node as { items?: Node[] })?.items?.[p as number] as Node | undefined);
    if (next?.range) found = lines.linePos(next.range[0]).line;
    node = pair ? pair.value : next;
  }
  return found;
}

interface Parsed {
  readonly tree: Tree;
  readonly line: (path: Path) => number | undefined;
}

function parseFile(file: Sources['file']): Parsed {
  if (!file) return { tree: {}, line: () => undefined };
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const error = document.errors[0];
  if (error) {
    const at = lines.linePos(error.pos[0]).line;
    throw new ConfigError([`${basename(file.path)} is not YAML, line ${at}: ${error.message}.`]);
  }
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    throw new ConfigError([`${basename(file.path)} cannot be read: ${(cause as Error).message}.`]);
  }
  if (!isTree(content))
    throw new ConfigError([
      `${basename(file.path)} must hold keys and values, such as \`log: {level: info}\`.`,
    ]);
  return { tree: content, line: path => lineOf(document.contents, path, lines) };
}

const isUnder = (path: Path, parent: Path): boolean => parent.every((p, i) => path[i] === p);

/** File, environment and options, checked. Throws a ConfigError that names every problem at once. */
export function loadConfig(composed: Composed, sources: Sources): Loaded {
  const { tree, line } = parseFile(sources.file);
  dropEmpty(composed.shape, tree);
  const env = envOverrides(composed.shape, sources.env);
  const overrides = [...env.overrides, ...(sources.options ?? [])];
  for (const o of overrides) put(tree, o.path, o.value);
  const base = sources.file ? dirname(sources.file.path) : process.cwd();
  const problems = [...env.problems, ...resolveSecretFiles(composed.shape, tree, base)];

  const where: Where = path => {
    const override = overrides.findLast(o => isUnder(path, o.path));
    if (override) return ` (${override.from})`;
    const at = line(path);
    return at === undefined ? '' : ` (${basename(sources.file?.path ?? '')}, line ${at})`;
  };
  const result = composed.schema.safeParse(tree);
  if (!result.success) problems.push(...sentences(result.error.issues, composed.shape, tree, where));
  if (problems.length > 0 || !result.success) throw new ConfigError(problems);

  const { ...platform } = result.data as unknown as Platform;
  const dataDir = platform.dataDir ?? join(dataHome(sources.env), 'roombridge');
  return {
    platform: { ...platform, dataDir },
    gateways: Object.fromEntries(composed.gateways.map(name => [name, result.data[name]])),
    shown: { ...(effective(composed.shape, tree) as Tree), dataDir },
  };
}

/** XDG Base Directory: a relative XDG_DATA_HOME is to be ignored. */
function dataHome(env: Sources['env']): string {
  const xdg = env.XDG_DATA_HOME;
  return xdg?.startsWith('/') ? xdg : join(env.HOME || homedir(), '.local', 'share');
}
