import { Dialog } from './dialog.ts';
import type { Command } from './events.ts';
import { RequestClient } from './request-client.ts';
import { readSnapshot } from './snapshot.ts';
import type { Stack } from './stack.ts';

/** BYE for a dialog of a process that is gone (RFC 3261 §15.1.1), from its snapshot; tells `buried` when it is answered. */
export function bury(stack: Stack, { id, snapshot, headers = [] }: Extract<Command, { type: 'bury' }>): void {
  const done = (status: number): void => stack.emit({ type: 'buried', id, status });
  const read = readSnapshot(snapshot);
  const dialog = read && Dialog.restored(read);
  if (dialog === undefined) return done(400);
  const request = { ...dialog.request('BYE'), headers };
  const flow = dialog.flow(f => stack.lives(f));
  new RequestClient(stack, request, { flow, nextSeq: () => ++dialog.localSeq, done });
}
