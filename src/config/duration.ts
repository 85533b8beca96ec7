import { z } from 'zod';
import { formatDuration, parseDuration } from '../kit/duration.ts';

const KIND = 'a duration such as 20ms, 120s or 5m';

/** A duration in the config, `20ms`, `120s`, `5m`; milliseconds inside. Give defaults as text: `.prefault('120s')`. */
export const duration = (min = '0ms', max = '7d') => {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  const text = z.string().meta({ kind: KIND });
  return text.transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= least && ms <= most) return ms;
    context.addIssue({
      code: 'custom',
      message:
        ms === undefined
          ? `must be ${KIND}`
          : `must be between ${formatDuration(least)} and ${formatDuration(most)}`,
    });
    return z.NEVER;
  });
};
