import type { z } from 'zod';
import { problemSchema } from './schemas.ts';

/** What may be wrong with any call, and with some. */
const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'What was sent cannot be taken; the sentence names the part and what would do.',
  401: 'No admin key, or not this one.',
  403: 'Not permitted by the config; the sentence names the setting.',
  404: 'There is none of this name (any longer).',
  409: 'Something stands in the way now; the sentence says what.',
  429: 'Too many requests, or too many wrong keys, from this address.',
  503: 'Nobody can do it now: no process with the role is alive, or the bus is away.',
};
const ALWAYS = [400, 401, 429, 503];

/** The answers of a route, with the problems that any may have, each described. */
export function withProblems(response: Readonly<Record<string, z.ZodType>> = {}): Record<string, z.ZodType> {
  const codes = [
    ...ALWAYS,
    ...Object.keys(response)
      .map(Number)
      .filter(code => code >= 400),
  ];
  return {
    ...response,
    ...Object.fromEntries(codes.map(code => [code, problemSchema.describe(PROBLEMS[code] ?? 'A problem.')])),
  };
}
