import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { dotted, isTree, type Path, type Shape, type Tree } from './shape.ts';

/** What is shown in the place of a secret. */
export const HIDDEN = '(hidden)';

/** Reads a secret kept in a file: one line, or one entry a line for a list. Throws what the file system throws. */
function readSecret(shape: Shape, file: string): string | string[] {
  const text = readFileSync(file, 'utf8').trim();
  return shape.type === 'array'
    ? text
        .split('\n')
        .map(l => l.trim())
        .filter(l => l !== '')
    : text;
}

/**
 * Puts the content of every `<key>File` in the place of its secret `<key>`, in `tree` itself, and returns what was
 * wrong. File names are relative to `base`.
 */
export function resolveSecretFiles(shape: Shape, tree: unknown, base: string, at: Path = []): string[] {
  if (Array.isArray(tree))
    return tree.flatMap((entry, i) => resolveSecretFiles(shape.items ?? {}, entry, base, [...at, i]));
  if (!isTree(tree) || shape.properties === undefined) return [];
  const problems: string[] = [];
  for (const [key, child] of Object.entries(shape.properties)) {
    const fileKey = `${key}File`;
    const file = tree[fileKey];
    if (child.secret && file !== undefined && shape.properties[fileKey] === undefined) {
      const [name, fileName] = [dotted([...at, key]), dotted([...at, fileKey])];
      delete tree[fileKey];
      if (tree[key] !== undefined)
        problems.push(`\`${name}\` and \`${fileName}\` are both set: keep one of them.`);
      else if (typeof file !== 'string') problems.push(`\`${fileName}\` must be the name of a file.`);
      else
        try {
          tree[key] = readSecret(child, resolve(base, file));
        } catch (error) {
          problems.push(
            `\`${fileName}\` names ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code}): ` +
              'check the name and the permissions.',
          );
        }
    } else problems.push(...resolveSecretFiles(child, tree[key], base, [...at, key]));
  }
  return problems;
}

/** The config as it counts, in the words of the file: defaults filled in, secrets hidden. */
export function effective(shape: Shape, value: unknown): unknown {
  if (shape.secret) return value === undefined ? undefined : HIDDEN;
  if (shape.properties) {
    const given = isTree(value) ? value : {};
    return Object.fromEntries(
      Object.entries(shape.properties)
        .map(([key, child]) => [key, effective(child, given[key])] as const)
        .filter(([, v]) => v !== undefined),
    ) satisfies Tree;
  }
  if (Array.isArray(value) && shape.items) return value.map(v => effective(shape.items ?? {}, v));
  return value ?? shape.default;
}
