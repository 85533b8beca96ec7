import { randomBytes } from 'node:crypto';
import type { Clock } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { openFlows } from '../../src/io/flows.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput } from '../../src/proto/sip/events.ts';
import { EndpointSignalling, type SipSignalling } from '../../src/proto/sip/signalling.ts';

export interface UserAgent {
  readonly signalling: SipSignalling;
  close(): Promise<void>;
}

export interface UserAgentOptions {
  /** Local, to bind and to tell the server. */
  readonly address: string;
  readonly tcp: boolean;
  readonly clock: Clock;
  /** Every message of a call that came in. */
  readonly message: (bytes: Buffer) => void;
  /** A listener threw. */
  readonly bug: (error: unknown) => void;
}

/** A SIP user agent that only calls: sockets on a free port, and the endpoint on top. Rejects with a Refusal. */
export async function openUserAgent(o: UserAgentOptions): Promise<UserAgent> {
  let run: Drive<SipInput> | undefined;
  const flows = await openFlows({ address: o.address, port: 0, tcp: o.tcp, setting: 'the port' }, o.clock, {
    datagram: (flow, bytes) => run?.feed({ type: 'datagram', flow, bytes }),
    chunk: (flow, bytes) => run?.feed({ type: 'chunk', flow, bytes }),
    closed: flow => run?.feed({ type: 'flow-closed', flow }),
    junk() {},
  });
  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: () => ({ host: o.address, port: flows.port }),
    name: 'Roombridge dialer',
    maxCalls: 0, // calls from outside get 503
  });
  const signalling = new EndpointSignalling(input => run?.feed(input), {
    send: (flow, bytes) => flows.send(flow, bytes),
    hangUp: flow => flows.hangUp(flow),
    incoming: () => () => {},
    message: (_call, { dir, bytes }) => {
      if (dir === 'in') o.message(bytes);
    },
    count() {},
    bug: (_call, error) => o.bug(error),
  });
  run = drive(endpoint, o.clock, out => signalling.act(out));
  return {
    signalling,
    async close() {
      run?.stop();
      await flows.close();
    },
  };
}
