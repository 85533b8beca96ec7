/** Bus subjects, in one place. Everything on them is plain JSON. */
export const subjects = {
  /** `ProcessAdvert`, every second. */
  advert: 'roombridge.advert',
  /** `{ process }`: a polite goodbye. */
  goodbye: 'roombridge.goodbye',
  /** Request `PlaceAsk` → `Candidate`, to any manager: which agent to ask for a leg. */
  place: 'roombridge.manager.place',
  /** Request `TakeAsk` → `Taken`. */
  take: (agent: string) => `roombridge.agent.${agent}.take`,
  /** `{ leg, command }`. */
  command: (agent: string) => `roombridge.agent.${agent}.command`,
  /** Request `{ on }`: no new legs. */
  drain: (agent: string) => `roombridge.agent.${agent}.drain`,
  /** Request `{ on }`: no new legs, and those there are move or end. */
  outOfService: (agent: string) => `roombridge.agent.${agent}.out-of-service`,
  /** Request `LegDrillAsk` → true: impairs a leg, or no longer. */
  drill: (agent: string) => `roombridge.agent.${agent}.drill`,
  /** Request `{ ask, token }` → URL, to an agent that listens on its own. */
  ticket: (agent: string) => `roombridge.agent.${agent}.ticket`,
  /** `{ leg, agent, event }`, to the process whose front asked for the leg. */
  event: (process: string) => `roombridge.process.${process}.event`,
  /** `{ id }`: somebody came in with this ticket. */
  ticketUsed: 'roombridge.ticket-used',
  /** Request `ProcessQuestion` → answer: legs, ladder. */
  ask: (process: string) => `roombridge.process.${process}.ask`,
  /** Request `Will` → true, to any front of that gateway: ends the signalling of a leg whose front vanished. */
  will: (gateway: string) => `roombridge.will.${gateway}`,
  /** Request `DialRequest` → `CallRecord`, to any front that can call out. */
  dial: 'roombridge.dial',
  /** Request `RoomQuestion` → answer, to the room node of a process. */
  room: (process: string) => `roombridge.room.${process}.ask`,
} as const;
