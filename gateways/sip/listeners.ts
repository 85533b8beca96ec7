import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Address, Host } from '../../src/contract.ts';
import { type Flows, type FlowsOptions, openFlows } from '../../src/io/flows.ts';
import { type Flow, isSecure, type Transport } from '../../src/proto/sip/flow.ts';
import { bracketed } from '../../src/proto/sip/write.ts';
import type { SipConfig } from './config.ts';
import { checkName, namesIn } from './tls-names.ts';
import { type SipTls, setUpTls } from './tls-setup.ts';
import { WebSockets } from './websockets.ts';

export interface ListenersOn {
  message(type: 'datagram' | 'chunk', flow: Flow, bytes: Buffer): void;
  closed(flow: Flow): void;
  /** Whether this address may connect now. */
  admits(host: string): boolean;
}

/** How long what is known of our own addresses is believed: the host looks at every interface for it. */
const REMEMBER_MS = 10_000;

/** Every way SIP comes in and goes out: UDP, TCP and TLS at one or more addresses, WebSockets of the web server. */
export class Listeners {
  readonly #host: Host;
  readonly #config: SipConfig;
  readonly #on: ListenersOn;
  readonly #bound: { readonly address: string; readonly flows: Flows }[] = [];
  readonly #webSockets: WebSockets;
  #tls: SipTls | undefined;
  #addresses = new Map<string, string>();
  #rememberUntil = 0;

  /** Rejects with a Refusal when a port cannot be had or a certificate is no good; then nothing is left open. */
  static async open(host: Host, config: SipConfig, on: ListenersOn): Promise<Listeners> {
    const listeners = new Listeners(host, config, on);
    try {
      await listeners.#bind();
      return listeners;
    } catch (error) {
      await listeners.close();
      throw error;
    }
  }

  private constructor(host: Host, config: SipConfig, on: ListenersOn) {
    this.#host = host;
    this.#config = config;
    this.#on = on;
    this.#webSockets = new WebSockets(host, config, {
      message: (flow, bytes) => on.message('datagram', flow, bytes),
      closed: flow => on.closed(flow),
      admits: address => on.admits(address),
    });
  }

  async #bind(): Promise<void> {
    const { address, port, tlsPort, alsoListen } = this.#config;
    this.#tls = await setUpTls(this.#host, this.#config);
    if (address !== undefined) await this.#listen(address, port, tlsPort);
    else {
      await this.#listen('0.0.0.0', port, tlsPort);
      const first = this.#bound[0]!.flows;
      if (hasIpv6()) await this.#listen('::', first.port, first.tlsPort || undefined);
    }
    for (const more of alsoListen) await this.#listen(more.address, more.port ?? port, more.tlsPort);
  }

  /** `tlsPort` undefined: the one after `port`. */
  async #listen(address: string, port: number, tlsPort = port === 0 ? 0 : port + 1): Promise<void> {
    const { tcp, tls, maxConnections, maxPerAddress } = this.#config;
    const { keys, own } = this.#tls as SipTls;
    const options: FlowsOptions = {
      address,
      port,
      tcp,
      listener: this.#bound.length,
      maxConnections,
      maxPerAddress,
      setting: 'sip.port',
      tlsClient: { keys, verify: tls.verifyServers, checkName },
      ...(tls.enabled &&
        own !== undefined && {
          tls: {
            port: tlsPort,
            keys,
            clientCertificates: tls.clientCertificates,
            names: namesIn,
            setting: 'sip.tlsPort',
          },
        }),
    };
    const flows = await openFlows(options, this.#host.clock, {
      datagram: (flow, bytes) => this.#on.message('datagram', flow, bytes),
      chunk: (flow, bytes) => this.#on.message('chunk', flow, bytes),
      closed: flow => this.#on.closed(flow),
      unreachable: (flow, why) => this.#host.log.info({ flow: flow.id }, why),
      admits: host => this.#on.admits(host),
      junk: reason => this.#host.count('dropped', reason),
    });
    this.#bound.push({ address, flows });
  }

  /** Connections open now. */
  get connections(): number {
    return this.#bound.reduce((n, b) => n + b.flows.connections, this.#webSockets.connections);
  }

  /** What to print at start. */
  get addresses(): Address[] {
    const { flows } = this.#bound[0] as { flows: Flows };
    const host = bracketed(this.#host.advertisedAddress());
    const plain = `SIP phones (udp${this.#config.tcp ? ', tcp' : ''}), room 1000`;
    const all: Address[] = [{ url: `sip:1000@${host}:${flows.port}`, what: plain }];
    if (flows.tlsPort !== 0)
      all.push({ url: `sip:1000@${host}:${flows.tlsPort};transport=tls`, what: 'SIP phones (tls)' });
    const base = this.#host.http?.bases[0];
    if (base !== undefined)
      all.push({
        url: `${base.replace(/^http/, 'ws')}${this.#config.webSocketPath}`,
        what: 'SIP over WebSocket',
      });
    return all;
  }

  /** Our address as the peer at the far end sees it: for Via and Contact. */
  local(flow: Flow): { host: string; port: number } {
    const { address, flows } = this.#of(flow);
    const host = this.#advertised(address, flow.host);
    if (flow.transport === 'ws' || flow.transport === 'wss')
      return { host, port: this.#webPort(flow.transport) };
    return { host, port: (isSecure(flow) && flows.tlsPort) || flows.port };
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (flow.transport === 'ws' || flow.transport === 'wss') this.#webSockets.send(flow, bytes);
    else this.#of(flow).flows.send(flow, bytes);
  }

  hangUp(flow: Flow): void {
    if (flow.transport === 'ws' || flow.transport === 'wss') this.#webSockets.hangUp(flow);
    else this.#of(flow).flows.hangUp(flow);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#tls?.close();
    this.#webSockets.close();
    await Promise.all(this.#bound.map(b => b.flows.close()));
  }

  /** The listener a flow came in by; for one of ours the first of the address family it goes to. */
  #of({ listener, host }: Flow): { readonly address: string; readonly flows: Flows } {
    const family = isIP(host) === 6 ? 6 : 4;
    const by =
      listener === undefined ? this.#bound.find(b => isIP(b.address) === family) : this.#bound[listener];
    return (by ?? this.#bound[0]) as { address: string; flows: Flows };
  }

  #advertised(bound: string, peer: string): string {
    const now = this.#host.clock.now();
    if (now >= this.#rememberUntil || this.#addresses.size > 1000) {
      this.#addresses.clear();
      this.#rememberUntil = now + REMEMBER_MS;
    }
    const key = `${bound} ${peer}`;
    let address = this.#addresses.get(key);
    if (address === undefined) {
      address = this.#host.advertisedAddress(peer);
      // Of several addresses of this host it is the one that was asked; behind NAT it is the one outside.
      if (bound !== '0.0.0.0' && bound !== '::' && isOwn(address)) address = bound;
      this.#addresses.set(key, address);
    }
    return address;
  }

  #webPort(transport: Transport): number {
    const scheme = transport === 'wss' ? 'https:' : 'http:';
    const base = this.#host.http?.bases.map(b => new URL(b)).find(b => b.protocol === scheme);
    return Number(base?.port || (transport === 'wss' ? 443 : 80));
  }
}

const interfaces = () => Object.values(networkInterfaces()).flatMap(list => list ?? []);
const hasIpv6 = (): boolean => interfaces().some(i => i.family === 'IPv6');
const isOwn = (address: string): boolean => interfaces().some(i => i.address === address);
