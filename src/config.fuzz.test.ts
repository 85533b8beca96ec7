import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { type Composed, ConfigError, composeConfig, loadConfig } from './config.ts';
import type { Gateway } from './contract.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);
const phone: Gateway = {
  contract: 1,
  name: 'phone',
  home: 'agent',
  config: z.strictObject({
    port: z.int().prefault(5060).describe('Port.'),
    labels: z.record(z.string(), z.string()).prefault({}).describe('Labels.'),
    password: z.string().optional().describe('Of the trunk.').meta({ secret: true }),
  }),
};
const composed: Composed = composeConfig([phone]);

/** Whatever comes in: a config, or sentences that end. */
function judged(text: string, env: Record<string, string> = {}): void {
  try {
    loadConfig(composed, { file: { path: '/etc/rb.yaml', text }, env: { HOME: '/h', ...env } });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    for (const p of (error as ConfigError).problems) expect(p).toMatch(/[.?]$/);
  }
}

const word = fc.constantFrom(
  'phone',
  'port',
  'labels',
  'password',
  'passwordFile',
  'auth',
  'apps',
  'key',
  'secrets',
  'rooms',
  'sessionKeep',
  'roles',
  'x',
  '__proto__',
  '0',
  '',
);
const tree = fc.letrec(tie => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, -1, 1e99, 'a', '5s', '', []),
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(word, tie('node'), { maxKeys: 4 }),
  ),
})).node;

test('any YAML is a config or a list of sentences', () => {
  fc.assert(
    fc.property(tree, value => judged(stringify(value))),
    { numRuns },
  );
});

test('any text is a config or a list of sentences', () => {
  const yaml = fc.array(
    fc.constantFrom(
      'phone',
      'port',
      ':',
      ' ',
      '\n',
      '- ',
      '{',
      '}',
      '[',
      '&a ',
      '*a',
      '<<: ',
      '!!x ',
      '? ',
      '| ',
      '"',
      '1',
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(yaml, pieces => judged(pieces.join(''))),
    { numRuns },
  );
  fc.assert(
    fc.property(fc.string(), text => judged(text)),
    { numRuns },
  );
});

test('any environment is a config or a list of sentences', () => {
  const name = fc
    .array(fc.oneof(word, fc.string({ maxLength: 4 })), { maxLength: 5 })
    .map(w => `ROOMBRIDGE_${w.join('__')}`);
  fc.assert(
    fc.property(fc.dictionary(name, fc.string()), env => judged('', env)),
    { numRuns },
  );
});
