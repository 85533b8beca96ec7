import type { OutsideRequest } from './events.ts';
import { type Flow, flowOfUri } from './flow.ts';
import { dialTarget } from './outgoing.ts';
import { RequestClient } from './request-client.ts';
import { contact, newTag, type Stack } from './stack.ts';
import { bracketed, type HeaderLine } from './write.ts';

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

/** §11: OPTIONS as a ping; `pong` tells its answer. */
export function ping(stack: Stack, id: string, to: string, via: Flow | undefined): void {
  const uri = dialTarget(to);
  if (uri === undefined) return stack.emit({ type: 'pong', id, status: 416 });
  const flow = via ?? flowOfUri(uri);
  const host = bracketed(stack.config.local(flow).host);
  const request = {
    method: 'OPTIONS',
    uri: uri.raw,
    from: `<sip:ping@${host}>;tag=${newTag(stack)}`,
    to: `<${uri.raw}>`,
    callId: `${newTag(stack)}@${host}`,
    cseq: 1,
    routes: [],
    headers: [['Accept', 'application/sdp'] as const],
  };
  const done = (status: number): void => stack.emit({ type: 'pong', id, status });
  let seq = 1;
  new RequestClient(stack, request, { flow, nextSeq: () => ++seq, done });
}
