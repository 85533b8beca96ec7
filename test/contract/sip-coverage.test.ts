import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const rows = readFileSync(new URL('docs/sip-coverage.md', ROOT), 'utf8')
  .split('\n')
  .filter(line => /^\| (?!what|-)/.test(line));

test.each(rows.map(row => [row.split('|')[1]?.trim(), row]))('%s: its tests exist', (_what, row) => {
  const proofs = [...row.matchAll(/`([^`]+\.test\.ts)`((?:,? "[^"]+")*)/g)];
  expect(proofs.length).toBeGreaterThan(0);
  for (const [, path = '', titles = ''] of proofs) {
    const file = new URL(path, ROOT);
    expect(existsSync(file), path).toBe(true);
    const text = readFileSync(file, 'utf8');
    for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) expect(text, path).toContain(title);
  }
});
