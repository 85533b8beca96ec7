import { createHash } from 'node:crypto';
import type { Bus } from '../bus/port.ts';
import type { Json } from '../contract.ts';
import { post, type Webhook, type WebhookOptions } from '../ops/webhooks.ts';

/** Posts every event to every webhook, in order, each until it is taken. All processes that do it share the work. */
export function tellWebhooks(
  bus: Pick<Bus, 'events'>,
  webhooks: readonly Webhook[],
  options: WebhookOptions,
): () => void {
  const stops = webhooks.map(webhook =>
    bus.events.consume(nameOf(webhook.url), event => post(webhook, event as unknown as Json, options)),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

/** The same in every process and after a restart: who goes on where it stopped is known by its address. */
const nameOf = (url: string): string =>
  `webhook-${createHash('sha256').update(url).digest('hex').slice(0, 24)}`;
