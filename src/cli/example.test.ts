import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { paths } from '../config/shape.ts';
import { composeConfig, exampleYaml, loadConfig } from '../config.ts';
import { gateways } from '../main.ts';

const composed = composeConfig(gateways);

test('config.example.yaml is what `roombridge config --example` prints (write it there again if not)', () => {
  const file = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8');
  expect(file).toBe(exampleYaml(composed.shape));
});

test('the example is the default config', () => {
  const env = { HOME: '/home/u' };
  const text = exampleYaml(composed.shape);
  expect(loadConfig(composed, { file: { path: '/etc/rb.yaml', text }, env })).toEqual(
    loadConfig(composed, { env }),
  );
});

test('every key of every gateway is described', () => {
  for (const { path, shape } of paths(composed.shape))
    if (path.at(-1) !== 0) expect(shape.description, path.join('.')).toBeTruthy();
});
