/** The backends of SIP signalling, each as the suite beside it wants it: a port on loopback and what came of it. */
import { randomBytes } from 'node:crypto';
import { DrachtioSignalling } from '../../gateways/sip/drachtio/signalling.ts';
import { systemClock } from '../../src/io/clock.ts';
import { drive } from '../../src/io/drive.ts';
import { openFlows } from '../../src/io/flows.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { CallEvent, SipInput } from '../../src/proto/sip/events.ts';
import {
  EndpointSignalling,
  type Invite,
  type SignallingOutside,
  type SipCall,
  type SipSignalling,
} from '../../src/proto/sip/signalling.ts';

export const INFO_TYPE = 'application/dtmf-relay';
const RETRIES_MS = 10;

/** One end of the calls of a test: what it was told, and its calls. */
export class Side {
  readonly events: CallEvent[] = [];
  readonly calls: SipCall[] = [];
  /** Summaries of every message, `in INVITE …`. */
  readonly ladder: string[] = [];
  readonly bugs: unknown[] = [];
  signalling!: SipSignalling;
  /** `127.0.0.1:5060`. */
  address = '';
  close: () => Promise<void> = async () => {};
  /** What to do about a call that comes in. */
  onInvite: (invite: Invite, call: SipCall) => void = () => {};

  readonly outside: Omit<SignallingOutside, 'send' | 'hangUp'> = {
    incoming: (invite, call) => {
      this.events.push(invite);
      this.calls.push(call);
      this.onInvite(invite, call);
      return e => void this.events.push(e);
    },
    message: (_call, { dir, bytes }) =>
      void this.ladder.push(`${dir} ${bytes.toString('latin1').split('\r\n', 1)[0]}`),
    count: () => {},
    bug: (_call, error) => void this.bugs.push(error),
  };

  /** Waits for a line of the ladder. */
  async said(line: string): Promise<void> {
    while (!this.ladder.some(l => l.startsWith(line)))
      await new Promise(done => setTimeout(done, RETRIES_MS));
  }

  dial(to: string, o: Partial<Parameters<SipSignalling['dial']>[0]> = {}): SipCall {
    const call = this.signalling.dial({ to, user: 'anna', ...o }, e => void this.events.push(e));
    this.calls.push(call);
    return call;
  }

  /** The next event of that type which no earlier `next` gave; the test's timeout is the limit. */
  async next<T extends CallEvent['type']>(type: T): Promise<Extract<CallEvent, { type: T }>> {
    for (;;) {
      const i = this.events.findIndex(e => e.type === type);
      if (i >= 0) return this.events.splice(i, 1)[0] as Extract<CallEvent, { type: T }>;
      await new Promise(done => setTimeout(done, RETRIES_MS));
    }
  }
}

/** The project's own stack over UDP on a free port. */
export async function embedded(): Promise<Side> {
  const side = new Side();
  let port = 0;
  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: () => ({ host: '127.0.0.1', port }),
    name: 'test',
    infoTypes: [INFO_TYPE],
    messages: true,
  });
  let feed = (_: SipInput): void => {};
  const flows = await openFlows(
    { address: '127.0.0.1', port: 0, tcp: false, setting: 'sip.port' },
    systemClock,
    {
      datagram: (flow, bytes) => feed({ type: 'datagram', flow, bytes }),
      chunk: () => {},
      closed: () => {},
      junk: () => {},
    },
  );
  port = flows.port;
  const signalling = new EndpointSignalling(input => feed(input), {
    ...side.outside,
    send: (flow, bytes) => flows.send(flow, bytes),
    hangUp: flow => flows.hangUp(flow),
  });
  const run = drive(endpoint, systemClock, out => signalling.act(out));
  feed = input => run.feed(input);
  side.signalling = signalling;
  side.address = `127.0.0.1:${port}`;
  side.close = async () => {
    run.stop();
    await flows.close();
  };
  return side;
}

/** `host:adminPort:secret:sipPort` of a drachtio-server for tests, if there is one. */
export const DRACHTIO = process.env.ROOMBRIDGE_TEST_DRACHTIO;

export async function drachtio(): Promise<Side> {
  const [host = '', port, secret = '', sipPort] = (DRACHTIO ?? '').split(':');
  const side = new Side();
  const link = { clock: systemClock, infoTypes: [INFO_TYPE], maxCalls: 100, link: () => {} };
  const signalling = new DrachtioSignalling(
    { host, port: Number(port), secret, ...link },
    { ...side.outside, send: () => {}, hangUp: () => {} },
  );
  await signalling.connect();
  side.signalling = signalling;
  side.address = `${host}:${sipPort}`;
  side.close = async () => signalling.close();
  return side;
}
