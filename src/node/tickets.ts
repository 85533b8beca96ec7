import type { AgentAdvert, ProcessAdvert } from '../agents/advert.ts';
import type { Bus } from '../bus/port.ts';
import type { Json, Ticket, TicketRequest } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import type { Tickets } from '../ops/tickets.ts';
import type { LegDesk } from './leg-desk.ts';
import type { Mesh } from './mesh.ts';
import { subjects } from './subjects.ts';

const SERVED_BY = { rtmp: 'rtmp', whip: 'webrtc', whep: 'webrtc' } as const;

export interface TicketDeskOptions {
  readonly tickets: Tickets;
  readonly bus: Bus;
  readonly mesh: Mesh;
  readonly legs: LegDesk;
  /** First address of the HTTP server, for WHIP and WHEP. */
  readonly httpBase: () => string;
}

/** Gives out short-lived addresses: the way a mini-program gets its push and play URLs. */
export function ticketDesk(o: TicketDeskOptions): (ask: TicketRequest) => Promise<Ticket> {
  return async ask => {
    const gateway = SERVED_BY[ask.protocol];
    const agent = freest(gateway, o.mesh.table.processes());
    if (agent === undefined)
      throw refuse(
        'server',
        'no-agent',
        `No ${gateway} agent is free or alive; start one, or wait for calls to end.`,
      );
    // The member who asks for itself gives the ticket its own resume secret, so that the new leg becomes its own.
    const secret = ask.participant === undefined ? undefined : o.legs.secretOf(ask.room, ask.participant);
    const issued = o.tickets.issue({ ...ask, ...(secret && { secret }) }, Date.now());
    return { ...issued, url: await urlOf(ask, issued.token, agent, o) };
  };
}

function freest(gateway: string, processes: Iterable<ProcessAdvert>): AgentAdvert | undefined {
  let best: AgentAdvert | undefined;
  for (const p of processes)
    for (const a of p.agents)
      if (a.gateway === gateway && !a.draining && a.legs < a.capacity)
        if (best === undefined || a.legs / a.capacity < best.legs / best.capacity) best = a;
  return best;
}

/** An agent that listens on its own (RTMP) knows its URL; WHIP and WHEP are served here. */
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
    return `${o.httpBase()}/whip/${room}?user=${user}${ask.track === 'screen' ? '&track=screen' : ''}`;
  return `${o.httpBase()}/whep/${room}${ask.track ? `/${encodeURIComponent(ask.track)}` : ''}?as=${user}`;
}
