/** Numbers as trunks write them, and the rules that turn them into rooms or into other numbers. */

/** How numbers are written where a trunk stands. */
export interface NumberPlan {
  /** Digits after the plus, `49`. Absent: numbers are left as they are. */
  readonly countryCode?: string | undefined;
  /** What is dialled before a country code, `00`. */
  readonly internationalPrefix: string;
  /** What is dialled before an area code, `0`; empty where nothing is. */
  readonly nationalPrefix: string;
}

export interface NumberRule {
  /** A regular expression the whole number must match. */
  readonly match: string;
  /** Digits taken off the front before anything else is done. */
  readonly strip?: number | undefined;
  readonly prefix?: string | undefined;
  /** The whole result, with `$1` … `$9` for what the parentheses of `match` caught. Stronger than strip and prefix. */
  readonly to?: string | undefined;
}

/** Longer than any number or extension; keeps a pattern of an administrator from running for ever on a stranger's text. */
const MAX_NUMBER = 64;

/** Digits, an optional plus, star and hash: what keys can dial. */
export const isNumber = (text: string): boolean => /^\+?[0-9*#]{1,32}$/.test(text);

/** Without the signs people write into numbers (RFC 3966 §5.1.1: `-`, `.`, `(`, `)`), and blanks. */
export const bareNumber = (text: string): string => text.replaceAll(/[-.() ]/g, '');

/**
 * E.164 (`+4930123456`), where the plan tells how to get there: `0049…`, `030…`. Extensions and what the plan does not
 * cover come out as they are.
 */
export function toE164(number: string, plan: NumberPlan): string {
  const { countryCode, internationalPrefix: abroad, nationalPrefix: away } = plan;
  if (!/^[0-9]+$/.test(number)) return number;
  if (abroad !== '' && number.startsWith(abroad) && number.length > abroad.length + 4)
    return `+${number.slice(abroad.length)}`;
  if (countryCode !== undefined && away !== '' && number.startsWith(away) && number.length > away.length + 4)
    return `+${countryCode}${number.slice(away.length)}`;
  return number;
}

/** Undefined when the expression cannot be read. */
export function compilePattern(match: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${match})$`, 'u');
  } catch {
    return undefined;
  }
}

/** What the first rule that matches makes of `number`; undefined when none does. */
export function applyRules(number: string, rules: readonly NumberRule[]): string | undefined {
  if (number.length > MAX_NUMBER) return undefined;
  for (const rule of rules) {
    const caught = compilePattern(rule.match)?.exec(number);
    if (!caught) continue;
    if (rule.to !== undefined)
      return rule.to.replaceAll(/\$([1-9])/g, (_, n: string) => caught[Number(n)] ?? '');
    return `${rule.prefix ?? ''}${number.slice(rule.strip ?? 0)}`;
  }
  return undefined;
}

/** `*` stands for any run of characters but `@`; upper and lower case are alike. For lists of addresses that may be called. */
export function matchesPattern(text: string, pattern: string): boolean {
  const source = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^@]*');
  return new RegExp(`^${source}$`, 'i').test(text);
}
