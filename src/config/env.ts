import { parse } from 'yaml';
import { nearest } from '../kit/nearest.ts';
import { isTree, keysOf, type Path, paths, type Shape, shapeAt, type Tree } from './shape.ts';

/** One value from outside the file: an environment variable or a command line option. */
export interface Override {
  readonly path: Path;
  readonly value: unknown;
  /** `ROOMBRIDGE_SIP__PORT` or `--bus`, for error texts. */
  readonly from: string;
}

const PREFIX = 'ROOMBRIDGE_';
/** Names the config file itself. */
export const CONFIG_FILE_VARIABLE = 'ROOMBRIDGE_CONFIG';
/** Kubernetes and Docker links put these into every container beside a service named `roombridge`. */
const SERVICE_LINK = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?$/;

const plain = (word: string): string => word.replaceAll(/[_-]/g, '').toLowerCase();

/** `auth.adminKey` → `ROOMBRIDGE_AUTH__ADMIN_KEY`. */
const variableOf = (path: Path): string =>
  PREFIX +
  path
    .map(p =>
      String(p)
        .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
        .toUpperCase(),
    )
    .join('__');

/** The key path a variable means: `__` is a level, case and single underscores are ignored. */
function pathOf(shape: Shape, name: string): Path | undefined {
  const path: (string | number)[] = [];
  let at: Shape | undefined = shape;
  for (const word of name.slice(PREFIX.length).split('__')) {
    if (at?.items && /^\d{1,3}$/.test(word)) {
      path.push(Number(word));
      at = at.items;
    } else if (at?.properties) {
      const key: string | undefined = keysOf(at).find(k => plain(k) === plain(word));
      if (key === undefined) return undefined;
      path.push(key);
      at = at.properties[key] ?? { type: 'string' }; // `<key>File`
    } else if (isTree(at?.additionalProperties) && word !== '') {
      path.push(word.toLowerCase());
      at = at.additionalProperties as Shape;
    } else return undefined;
  }
  return path;
}

function readValue(shape: Shape | undefined, text: string): unknown {
  if (shape === undefined || shape.type === 'string') return text;
  if (shape.type === 'array' && !text.trimStart().startsWith('['))
    return text.split(',').map(t => readValue(shape.items, t.trim()));
  return parse(text, { logLevel: 'error' });
}

/** Reads the environment against the schema. A variable that matches no key is a problem, as in the file. */
export function envOverrides(
  shape: Shape,
  env: Readonly<Record<string, string | undefined>>,
): { overrides: Override[]; problems: string[] } {
  const overrides: Override[] = [];
  const problems: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.toUpperCase().startsWith(PREFIX) || name === CONFIG_FILE_VARIABLE) continue;
    if (text === undefined || text === '') continue; // `KEY=` in a compose file means: not set
    const path = pathOf(shape, name.toUpperCase());
    if (path === undefined) {
      if (SERVICE_LINK.test(name)) continue;
      const meant = nearest(
        name,
        [...paths(shape)].map(p => variableOf(p.path)),
      );
      problems.push(
        `The environment variable ${name} matches no config key${meant ? `: did you mean ${meant}?` : '; remove it.'}`,
      );
      continue;
    }
    try {
      overrides.push({ path, value: readValue(shapeAt(shape, path), text), from: name });
    } catch {
      problems.push(
        `The environment variable ${name} cannot be read as YAML: quote it, or write it on one line as [a, b].`,
      );
    }
  }
  return { overrides, problems };
}

/** Sets one value, making the levels above it. */
export function put(tree: Tree, path: Path, value: unknown): void {
  let at: Tree = tree;
  path.forEach((p, i) => {
    if (i === path.length - 1) at[p] = value;
    else {
      const next = at[p];
      if (typeof next !== 'object' || next === null) at[p] = typeof path[i + 1] === 'number' ? [] : {};
      at = at[p] as Tree;
    }
  });
}
