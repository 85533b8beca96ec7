import type { OutsideRequest } from './events.ts';
import type { Flow } from './flow.ts';
import { RequestClient } from './request-client.ts';
import { contact, newTag, type Stack } from './stack.ts';
import type { HeaderLine } from './write.ts';

/** Sends a request outside any call (RFC 3261 §8.1.1) and tells its final answer under `id`. */
export function sendOutside(stack: Stack, id: string, r: OutsideRequest, flow: Flow): void {
  const headers: HeaderLine[] = r.contact === undefined ? [] : [contact(stack, flow, r.contact)];
  const request = {
    method: r.method,
    uri: r.uri,
    from: `<${r.from}>;tag=${newTag(stack)}`,
    to: `<${r.to}>`,
    callId: r.callId,
    cseq: r.cseq,
    routes: r.routes ?? [],
    headers: [...headers, ...r.headers],
  };
  new RequestClient(stack, request, {
    flow,
    nextSeq: () => r.cseq + 1,
    done: (status, response) => stack.emit({ type: 'response', id, status, response }),
  });
}
