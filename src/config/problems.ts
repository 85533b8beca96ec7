import type { z } from 'zod';
import { nearest } from '../kit/nearest.ts';
import { HIDDEN } from './secrets.ts';
import { dotted, keysOf, type Path, paths, type Shape, shapeAt, valueAt } from './shape.ts';

/** Where a value came from, for a person: ` (roombridge.yaml, line 3)`; empty when nobody set it. */
export type Where = (path: Path) => string;

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with keys of its own',
  record: 'a section with keys of its own',
};

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

function unknownKey(shape: Shape, path: Path, key: string, where: Where): string {
  const here = keysOf(shapeAt(shape, path));
  const head = `Unknown key \`${dotted([...path, key])}\`${where([...path, key])}`;
  const near = nearest(key, here);
  if (near !== undefined) return `${head}: did you mean \`${dotted([...path, near])}\`?`;
  // The right key in the wrong section is the other common slip.
  const elsewhere = [...paths(shape)].find(p => p.path.at(-1) === key);
  if (elsewhere) return `${head}: did you mean \`${dotted(elsewhere.path)}\`?`;
  return `${head}: the keys here are ${here.join(', ')}.`;
}

function must(issue: Issue, shape: Shape | undefined, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? 'is missing'
        : `must be ${shape?.kind ?? KINDS[issue.expected] ?? issue.expected}`;
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      if (issue.origin === 'string') return `must have ${bound} characters`;
      return issue.origin === 'array' ? `must have ${bound} entries` : `must be ${bound}`;
    }
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
    case 'invalid_union': {
      const kinds = (shape?.anyOf ?? []).map(s => ('const' in s ? show(s.const) : KINDS[s.type ?? '']));
      return `must be ${kinds.filter(Boolean).join(' or ') || 'something else'}`;
    }
    default:
      return issue.message;
  }
}

/** One sentence for each thing the schema refused. */
export function sentences(issues: readonly Issue[], shape: Shape, raw: unknown, where: Where): string[] {
  return issues.flatMap(issue => {
    const path = issue.path as Path;
    if (issue.code === 'unrecognized_keys') return issue.keys.map(k => unknownKey(shape, path, k, where));
    const at = shapeAt(shape, path);
    const value = valueAt(raw, path);
    const secret = path.some((_, i) => shapeAt(shape, path.slice(0, i + 1))?.secret);
    const rule = must(issue, at, value);
    const told = value === undefined || rule.includes(' is ') || path.length === 0;
    const got = told ? '' : `, not ${secret ? HIDDEN : show(value)}`;
    return `\`${dotted(path)}\` ${rule}${got}${where(path)}.`;
  });
}
