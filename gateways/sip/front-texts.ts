import type { Host } from '../../src/contract.ts';
import type { SipCall } from '../../src/proto/sip/signalling.ts';
import type { TextsOut } from './texts.ts';

/** Does what the texts of a call ask for; `leg`: whose ladder has the notes. */
export function carryText(out: TextsOut, call: SipCall | undefined, host: Host, leg: string): void {
  switch (out.type) {
    case 'message':
      return call?.message(out.content);
    case 'answer-message':
      return call?.answerMessage(out.id, out.status, out);
    case 'text-lost':
      host.count('texts_dropped', out.reason);
      if (out.note !== undefined)
        host.ladder(leg, { at: Date.now(), dir: 'note', transport: 'roombridge', summary: out.note });
  }
}
