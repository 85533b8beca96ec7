import { AckPolicy, DeliverPolicy, type JsMsg, type PushConsumer } from '@nats-io/jetstream';
import { createInbox, nanos } from '@nats-io/transport-node';
import { BUCKET, type OpenStore } from './nats-store.ts';

const STREAM = `KV_${BUCKET}`;
/** The server says that it is there when it has said nothing for so long; twice this in silence, and it is not. */
const HEARTBEAT_MS = 3000;
/** The server forgets a consumer nobody listens to. */
const UNHEARD_MS = 30_000;

export interface FeedListener {
  message(message: JsMsg): void;
  /** Everything that was there at the start was told. Said once. */
  all(): void;
}

export interface Feed {
  /** Resolves when nothing more comes: stopped, or it went wrong and must be made anew. Tells whether it went wrong. */
  readonly ended: Promise<boolean>;
  stop(): void;
}

/**
 * The newest message of each subject that fits `filter`, then every further one.
 *
 * A consumer lives on one server of a cluster and dies with it, also when that is not the one we are connected to: then only
 * its silence tells. The library's own watch asks for a heartbeat every 30 s, and takes 60 to 90 s to miss two of them; so
 * the consumer is made here. A message that was lost on its way shows in the numbers of the next one, or of a heartbeat.
 */
export async function openFeed(
  store: OpenStore,
  filter: string,
  listener: FeedListener,
  headersOnly = false,
): Promise<Feed> {
  const { js, manager } = store;
  const bound = { deliver_subject: createInbox(), idle_heartbeat: nanos(HEARTBEAT_MS) };
  const made = await manager.consumers.add(STREAM, {
    ...bound,
    filter_subject: filter,
    deliver_policy: DeliverPolicy.LastPerSubject,
    ack_policy: AckPolicy.None,
    flow_control: true,
    headers_only: headersOnly,
    num_replicas: 1,
    mem_storage: true,
    inactive_threshold: nanos(UNHEARD_MS),
  });
  let delivered = 0;
  let isAll = false;
  let isWrong = false;
  const all = (): void => {
    if (isAll || isWrong) return;
    isAll = true;
    listener.all();
  };
  const wrong = (): void => {
    isWrong = true;
    messages.stop();
  };
  const consumer = await js.consumers.getBoundPushConsumer(bound);
  const messages: Awaited<ReturnType<PushConsumer['consume']>> = await consumer.consume({
    callback: message => {
      if (isWrong) return;
      if (message.info.deliverySequence !== delivered + 1) return wrong();
      delivered++;
      listener.message(message);
      if (message.info.pending === 0) all();
    },
  });
  /** What was there at the start may have been swept before it was told: then no message is the last one. */
  const lookForAll = async (): Promise<void> => {
    const now = await manager.consumers.info(STREAM, made.name).catch(() => undefined);
    if (now?.num_pending === 0 && now.delivered.consumer_seq <= delivered) all();
  };
  const watchOver = async (): Promise<boolean> => {
    for await (const status of messages.status())
      if (status.type === 'heartbeats_missed' || status.type === 'consumer_deleted') wrong();
      else if (status.type === 'heartbeat')
        if (status.lastConsumerSequence > delivered) wrong();
        else if (!isAll) await lookForAll();
    return isWrong;
  };
  const ended = watchOver();
  if (made.num_pending === 0) all();
  return { ended, stop: () => messages.stop() };
}
