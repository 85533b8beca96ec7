import type { Millis } from './core.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `20ms`, `1.5s`, `5m`, `2h`, `1d` in milliseconds; undefined for anything else, a bare number included. */
export function parseDuration(text: string): Millis | undefined {
  const m = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  return m ? Number(m[1]) * UNIT_MS[m[2] as string]! : undefined;
}

/** The shortest exact writing: 120000 → `2m`, 90000 → `90s`, 20 → `20ms`. */
export function formatDuration(ms: Millis): string {
  for (const unit of ['d', 'h', 'm', 's'])
    if (ms > 0 && ms % UNIT_MS[unit]! === 0) return `${ms / UNIT_MS[unit]!}${unit}`;
  return `${ms}ms`;
}
