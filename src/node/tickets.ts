import type { AgentAdvert } from '../agents/advert.ts';
import { noAgent } from '../agents/manager.ts';
import type { Bus } from '../bus/port.ts';
import { runsGateway } from '../config/roles.ts';
import type { Json, Ticket, TicketRequest } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { Tickets } from '../ops/tickets.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

const SERVED_BY = { rtmp: 'rtmp', whip: 'webrtc', whep: 'webrtc' } as const;

export interface TicketDeskOptions {
  readonly process: string;
  readonly tickets: Tickets;
  readonly bus: Bus;
  readonly mesh: Mesh;
  readonly legs: LegDesk;
  readonly region: string;
}

/** Gives out short-lived addresses: the way a mini-program gets its push and play URLs. */
export function ticketDesk(o: TicketDeskOptions): (ask: TicketRequest) => Promise<Ticket> {
  return async ask => {
    const gateway = SERVED_BY[ask.protocol];
    const agent = o.mesh.table.best({ gateway }, NONE, o.region)?.advert;
    if (agent === undefined) throw new Refusal(noAgent({ gateway }, o.mesh.table));
    // The member who asks for itself gives the ticket its own resume secret, so that the new leg becomes its own.
    const secret = ask.participant === undefined ? undefined : o.legs.secretOf(ask.room, ask.participant);
    await o.tickets.ready();
    const issued = o.tickets.issue({ ...ask, ...(secret && { secret }) }, Date.now());
    return { ...issued, url: await urlOf(ask, issued.token, agent, o) };
  };
}

const NONE: ReadonlySet<string> = new Set();

/** Whether a process of these roles has the web front that WHIP and WHEP come in by. */
export const servesWhip = (roles: readonly string[]): boolean =>
  runsGateway(roles, { name: SERVED_BY.whip, home: 'agent' }, 'front');

/** The first address browsers are served at: here, or in another process. */
function webBase({ mesh, process }: TicketDeskOptions): string {
  const base =
    mesh.table.get(process)?.web ?? [...mesh.table.processes()].find(p => p.web !== undefined)?.web;
  if (base !== undefined) return base;
  throw refuse(
    'server',
    'no-web-front',
    'No process that serves browsers is alive: start one with the role webrtc.',
  );
}

/** An agent that listens on its own (RTMP) knows its URL; WHIP and WHEP are served by a web front. */
async function urlOf(
  ask: TicketRequest,
  token: string,
  agent: AgentAdvert,
  o: TicketDeskOptions,
): Promise<string> {
  if (ask.protocol === 'rtmp') {
    const question = { ask, token } as unknown as Json;
    return (await o.bus.request(subjects.ticket(agent.agent), question, { timeoutMs: 2000 })) as string;
  }
  const room = encodeURIComponent(ask.room);
  const user = encodeURIComponent(ask.user);
  if (ask.protocol === 'whip')
    return `${webBase(o)}/whip/${room}?user=${user}${ask.track === 'screen' ? '&track=screen' : ''}`;
  return `${webBase(o)}/whep/${room}${ask.track ? `/${encodeURIComponent(ask.track)}` : ''}?as=${user}`;
}
