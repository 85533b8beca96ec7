import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Json, Log } from '../contract.ts';

/** An address that is told of every event. */
export interface Webhook {
  readonly url: string;
  readonly secret: string;
}

export interface WebhookOptions {
  readonly log: Log;
  /** Unix ms. */
  readonly now: () => number;
  readonly count: (reason: string) => void;
  readonly fetch: (url: string, init: RequestInit) => Promise<Pick<Response, 'status' | 'body'>>;
}

const ANSWER_MS = 10_000;
const SIGNATURE = 'roombridge-signature';

/**
 * `t=<Unix s>,v1=<hex>`: HMAC-SHA256 of `<Unix s>.<body>` under the webhook's secret. The time is signed too, so that
 * an old request cannot be sent again.
 */
export function signatureOf(body: string, secret: string, unixS: number): string {
  return `t=${unixS},v1=${createHmac('sha256', secret).update(`${unixS}.${body}`).digest('hex')}`;
}

/** For who receives: true when `signature` is of `body`, and not older than `toleranceS`. */
export function isSigned(
  body: string,
  signature: string,
  secret: string,
  nowS: number,
  toleranceS = 300,
): boolean {
  const unixS = Number(/^t=(\d{1,12}),/.exec(signature)?.[1]);
  if (!(Math.abs(nowS - unixS) <= toleranceS)) return false;
  const [given, own] = [Buffer.from(signature), Buffer.from(signatureOf(body, secret, unixS))];
  return given.length === own.length && timingSafeEqual(given, own);
}

/**
 * Posts one event as JSON. Resolves when it was taken (2xx), or never will be (410 Gone); rejects when it is to be tried
 * again.
 */
export async function post(webhook: Webhook, event: Json, options: WebhookOptions): Promise<void> {
  const { log, now, count, fetch } = options;
  const body = JSON.stringify(event);
  const unixS = Math.floor(now() / 1000);
  const where = new URL(webhook.url).host; // paths and queries may hold keys
  try {
    const { status, body: answer } = await fetch(webhook.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'roombridge',
        [SIGNATURE]: signatureOf(body, webhook.secret, unixS),
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await answer?.cancel();
    if (status === 410) return count('gone');
    if (status < 200 || status > 299) throw new Error(`it answered ${status}`);
    count('delivered');
  } catch (error) {
    count('failed');
    log.warn({ where, why: (error as Error).message }, 'a webhook was not taken; it is tried again later');
    throw error;
  }
}
