import type { Address, Host } from '../../../src/contract.ts';
import type { BackendOn, SipBackend } from '../backend.ts';
import type { SipConfig } from '../config.ts';
import { DrachtioSignalling } from './signalling.ts';

/** What drachtio-server's own example config says. */
const FACTORY_SECRET = 'cymru';

/** SIP by a drachtio-server that runs beside this process: it has the sockets, their protection is its own. */
export function drachtioBackend(
  host: Host,
  config: SipConfig,
  infoTypes: readonly string[],
  on: BackendOn,
): SipBackend {
  const { maxLegs: maxCalls, drachtio } = config;
  const secret = drachtio.secret ?? FACTORY_SECRET;
  const link = (up: boolean, text: string): void => host.log[up ? 'info' : 'warn']({ up }, text);
  const signalling = new DrachtioSignalling(
    { ...drachtio, secret, clock: host.clock, infoTypes, maxCalls, link },
    { ...on, send: () => {}, hangUp: () => {} },
  );
  return {
    signalling,
    async start() {
      const hostPorts = await signalling.connect();
      return hostPorts.split(',').map(addressOf);
    },
    close: async () => signalling.close(),
  };
}

/** `tcp/192.0.2.1:5060` → an address to call. */
function addressOf(listener: string): Address {
  const [transport = '', hostPort = ''] = listener.split('/');
  const how = transport === 'udp' ? '' : `;transport=${transport}`;
  return { url: `sip:1000@${hostPort}${how}`, what: `SIP phones (${transport}), by drachtio-server` };
}
