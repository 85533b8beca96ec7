import { loadCodecs } from '../../codecs/audio.ts';
import { closeVideoWorkers } from '../../codecs/video/transcoder.ts';
import { siblings, takesElsewhere } from '../agents/siblings.ts';
import { needsWeb, runsGateway, runsPart } from '../config/roles.ts';
import type { Loaded } from '../config.ts';
import type { Address, Front, Gateway, Host, Termination } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Closing } from '../kit/closing.ts';
import { urlHost } from '../ops/http/names.ts';
import type { RootLog } from '../ops/log.ts';
import { maskText } from '../ops/mask.ts';
import { createHost } from './host.ts';
import { createParts, type Parts } from './parts.ts';
import { openWeb, type Web } from './web.ts';

/** Legs that go on elsewhere when this process ends are waited for so long: phones need 0.2 s, pages 1 s. */
const LEAVE_MS = 2000;

export interface NodeOptions {
  readonly config: Loaded;
  readonly gateways: readonly Gateway[];
  readonly log: RootLog;
  readonly version: string;
}

export interface RunningNode {
  /** Its id, as `GET /agents` tells it. */
  readonly process: string;
  readonly addresses: readonly Address[];
  /** Present where this process serves the API. */
  readonly admin?: { readonly key: string; readonly file?: string };
  readonly selfSigned: boolean;
  readonly roomsOpen: boolean;
  /** Ends every leg politely, then everything else. Idempotent. */
  close(why: Termination): Promise<void>;
}

/** Starts what `config.platform.roles` says. When a step fails, what was opened before it is closed again. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config } = options;
  const closing = new Closing();
  const ending: { why: Termination | undefined } = { why: undefined };
  try {
    await loadCodecs();
    closing.add(() => closeVideoWorkers());
    let web: Web | undefined;
    const clock = systemClock;
    const parts = await createParts({ ...options, clock, httpBase: () => web?.http.bases[0] ?? '' }, closing);
    if (needsWeb(config.platform.roles)) {
      const notReady = () => (ending.why === undefined ? undefined : 'Roombridge is shutting down.');
      web = await openWeb({ ...options, clock, notReady }, parts, closing);
    }
    const addresses: Address[] =
      web?.http.bases.map(base => ({ url: `${base}/r/1000`, what: 'room page' })) ?? [];
    addresses.push(...(await startGateways(options, parts, web, closing, ending)));
    parts.mesh.announce();
    return {
      process: parts.process,
      addresses: [...addresses, ...forProcesses(parts)],
      ...(web && runsPart(config.platform.roles, 'api') && { admin: parts.admin }),
      selfSigned: web?.certificate.selfSigned ?? false,
      roomsOpen: !parts.access.required,
      close: why => {
        ending.why ??= why;
        return closing.close();
      },
    };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** Where other processes reach this one. */
function forProcesses({ process, mesh, relays }: Parts): Address[] {
  const node = mesh.table.get(process)?.roomNode;
  const { router } = relays.advert();
  const at = ({ host, port }: { host: string; port: number }) => `udp://${urlHost(host)}:${port}`;
  return [
    ...(node && node.tlsPort > 0
      ? [
          {
            url: at({ host: node.host, port: node.udpPort }),
            what: `links of other processes (control: tcp ${node.tlsPort})`,
          },
        ]
      : []),
    ...(router ? [{ url: at(router), what: 'router of aRTP' }] : []),
  ];
}

/** Starts the agents and fronts this process runs. Closing tells every leg, fronts first: they know how. */
async function startGateways(
  { config, gateways, log }: NodeOptions,
  parts: Parts,
  web: Web | undefined,
  closing: Closing,
  ending: { readonly why: Termination | undefined },
): Promise<Address[]> {
  const { roles } = config.platform;
  const { desk, dials, rooms, wills, finder } = parts;
  const addresses: Address[] = [];
  const fronts: Front[] = [];
  closing.add(async () => {
    const why = ending.why ?? {
      blame: 'server',
      reason: 'start-failed',
      text: 'The server could not start.',
    };
    const left = desk.leave({
      process: parts.process,
      takes: gateway => takesElsewhere(parts.mesh.table.processes(), gateway, parts.process),
      forMs: Math.min(LEAVE_MS, config.platform.drainMs / 2),
    });
    dials.close();
    // Side by side: the legs of these fronts do not go anywhere.
    await Promise.all([left, ...fronts.map(front => front.close(why))]);
    const handedOver = rooms?.close(why, room => finder.successor(room));
    parts.mesh.announce(); // that it takes no more rooms
    await handedOver;
    await desk.close(why);
  });
  for (const gateway of gateways) {
    const slice = config.gateways[gateway.name];
    const host = hostOf(gateway, config, log, parts, web);
    if (gateway.agent !== undefined && runsGateway(roles, gateway, 'agent')) {
      const id = `${gateway.name}-${parts.process}`;
      const agent = gateway.agent(host, slice, id);
      desk.add(id, gateway.name, agent);
      addresses.push(...(await agent.start()));
    }
    if (gateway.front !== undefined && runsGateway(roles, gateway, 'front')) {
      const front = gateway.front(host, slice);
      fronts.push(front);
      addresses.push(...(await front.start()));
      dials.add(front);
      wills.serve(gateway.name, front);
    }
  }
  return addresses;
}

function hostOf(gateway: Gateway, config: Loaded, log: RootLog, parts: Parts, web: Web | undefined): Host {
  return createHost(gateway, {
    ...parts,
    log,
    clock: systemClock,
    http: web?.http,
    externalAddress: config.platform.externalAddress,
    siblings: name => siblings(parts.mesh.table.processes(), name, parts.process, config.platform.region),
    sessionKeepMs: config.platform.rooms.sessionKeep,
    // Every gateway masks its own steps; this is the net below.
    ladder: (leg, step) =>
      parts.ladders.add(leg, {
        ...step,
        summary: maskText(step.summary),
        ...(step.text && { text: maskText(step.text) }),
      }),
    count: (name, what, reason) => parts.metrics.count(name, what, reason),
  });
}
