import { z } from 'zod';

/** What the API says and takes. Objects that come in are strict; what goes out is cut to what stands here. */
const list = <T extends z.ZodType>(of: T) => z.array(of).readonly();
const name = (what: string) => z.string().min(1).max(128).describe(what);
const unixMs = (what: string) => z.number().describe(`${what}, Unix ms.`);

export const problemSchema = z
  .object({
    type: z.string().describe('Stable: switch on this. `urn:roombridge:problem:<reason>`.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().optional().describe('One sentence: what happened and what to do.'),
  })
  .describe('RFC 9457 problem.')
  .meta({
    examples: [
      {
        type: 'urn:roombridge:problem:no-such-agent',
        title: 'No such agent',
        status: 404,
        detail: 'There is no agent sip-1; see GET /api/v1/agents.',
      },
    ],
  });

export const roomParams = z.object({ room: name('Room.') });
export const participantParams = roomParams.extend({ participant: name('Id of a participant.') });
export const legParams = z.object({ leg: name('Id of a leg.') });
export const agentParams = z.object({ agent: name('Id of an agent.') });

const layout = z.enum(['speaker', 'grid']).describe('What legs with one picture see.');
const termination = z.object({
  blame: z.enum(['none', 'client', 'server', 'upstream']),
  reason: z.string(),
  text: z.string().optional(),
});

export const settingsPatch = z
  .strictObject({
    pin: z
      .string()
      .regex(/^\d{4,12}$/, 'must be 4 to 12 digits, so that a phone can send it')
      .nullable()
      .optional()
      .describe('Asked of everyone without a token; null removes it.'),
    maxParticipants: z.int().min(1).max(100_000).optional(),
    locked: z.boolean().optional().describe('True: nobody new comes in.'),
    layout: layout.optional(),
  })
  .meta({ examples: [{ pin: '4711', maxParticipants: 20 }] });

export const roomView = z.object({
  room: z.string(),
  participants: z.int(),
  settings: z.object({
    hasPin: z.boolean(),
    maxParticipants: z.int(),
    locked: z.boolean(),
    layout,
  }),
});

const format = z.object({
  codec: z.string(),
  clockRate: z.number(),
  channels: z.number().optional(),
  fmtp: z.record(z.string(), z.string()).readonly().optional(),
});

export const memberView = z.object({
  participant: z.string(),
  display: z.string(),
  protocols: list(z.string()).describe('Gateways of its legs.'),
  muted: z.object({ audio: z.boolean(), video: z.boolean() }),
  state: z.enum(['here', 'away']).describe('`away`: the connection was lost and the seat is kept.'),
  tracks: list(
    z.object({
      id: z.string(),
      participant: z.string(),
      source: z.enum(['mic', 'camera', 'screen', 'prompt']),
      format,
      layers: list(z.string()).optional(),
      canKeyframe: z.boolean(),
      syncGroup: z.string(),
    }),
  ),
});

export const muteBody = z
  .strictObject({
    media: z.enum(['audio', 'video']),
    on: z.boolean().describe('True mutes, false lets be heard or seen again.'),
  })
  .meta({ examples: [{ media: 'audio', on: true }] });

export const legView = z.object({
  leg: z.string(),
  trace: z.string().describe('Ties log lines and ladders of all hops together.'),
  gateway: z.string(),
  direction: z.enum(['in', 'out']),
  room: z.string(),
  participant: z.string().optional(),
  agent: z.string().optional(),
  roles: list(z.enum(['send', 'receive', 'signal'])),
  state: z.enum(['placing', 'up', 'ended']),
  openedAt: unixMs('When it was asked for'),
  why: termination.optional().describe('How it ended.'),
  streams: list(
    z.object({
      media: z.enum(['audio', 'video', 'screen']),
      direction: z.enum(['in', 'out']),
      codec: z.string(),
      how: z.string().describe('`passthrough`, `mix` or `transcode A→B`.'),
      security: z
        .enum(['none', 'sdes', 'dtls'])
        .optional()
        .describe('Of SIP: plain RTP, SRTP with keys in the SDP, or DTLS-SRTP.'),
      packets: z.number(),
      bytes: z.number(),
      lost: z.number().optional(),
      jitterMs: z.number().optional(),
      rttMs: z.number().optional(),
      mos: z.number().optional().describe('Estimated listening quality, 1 to 4.5.'),
      firstPacketMs: z.number().optional(),
      width: z.number().optional().describe('Of pictures, pixels, as shown.'),
      height: z.number().optional(),
      fps: z.number().optional().describe('Pictures a second, lately.'),
      bitrateBps: z.number().optional(),
      keyframesAsked: z.number().optional().describe('Coming in: by us; going out: by the receiver.'),
      freezes: z
        .number()
        .optional()
        .describe('Times the pictures stood still: three times as long as usual, and 150 ms more.'),
    }),
  ),
});

export const legQuery = z.strictObject({
  room: z.string().max(128).optional().describe('Only legs of this room.'),
  limit: z.coerce.number().int().min(1).max(5000).default(1000),
});

export const ladderStep = z.object({
  at: unixMs('When'),
  dir: z.enum(['in', 'out', 'note']),
  transport: z.string(),
  summary: z.string(),
  text: z.string().optional(),
});

export const agentView = z
  .object({
    agent: z.string(),
    gateway: z.string(),
    process: z.string(),
    version: z.string(),
    region: z.string(),
    formats: list(z.string()),
    capacity: z.number().describe('Legs it can bear.'),
    legs: z.number().describe('Legs it bears now.'),
    load: z.number().describe('Legs as a share of the capacity, 0 to 1.'),
    draining: z.boolean().describe('Takes no new legs; those it has go on, SIP calls elsewhere.'),
    outOfService: z.boolean().describe('Takes no new legs, and those it has move or are ended.'),
  })
  .meta({
    examples: [
      {
        agent: 'sip-3d1c0b2f2d94',
        gateway: 'sip',
        process: '3d1c0b2f2d94',
        version: '0.1.0',
        region: 'default',
        formats: ['opus', 'PCMU', 'PCMA', 'G722', 'H264', 'VP8'],
        capacity: 500,
        legs: 18,
        load: 0.04,
        draining: false,
        outOfService: false,
      },
    ],
  });

/** No body: on. */
export const switchBody = z
  .strictObject({ on: z.boolean().prefault(true) })
  .nullish()
  .meta({ examples: [{ on: false }] });

export const ticketBody = z
  .strictObject({
    user: name('Who will use it.'),
    protocol: z.enum(['rtmp', 'whip', 'whep']),
    role: z.enum(['publish', 'play']),
    track: z.string().min(1).max(128).optional().describe('`screen`, or whom to play.'),
  })
  .meta({ examples: [{ user: 'alice', protocol: 'rtmp', role: 'publish' }] });

export const ticketView = z.object({
  url: z.string(),
  token: z.string(),
  expiresAt: unixMs('When it is no longer good'),
});

export const callBody = z
  .strictObject({
    to: name('Number (`+4930123456`) or address (`sip:bob@example.org`) to call.'),
    trunk: name('The trunk to take; absent: the first whose rules take the number.').optional(),
    display: name('Name of the member in the room; absent: what was dialled.').optional(),
    timeoutS: z.int().min(5).max(180).optional().describe('How long it may ring; absent: sip.dialOut.ringS.'),
  })
  .meta({ examples: [{ to: '+4930123456', trunk: 'office', display: 'Bob' }] });
export const callParams = roomParams.extend({ call: name('Id of a call.') });

const callState = z.enum(['calling', 'ringing', 'early', 'up', 'ended']);
export const callView = z.object({
  call: z.string(),
  room: z.string(),
  to: z.string(),
  leg: z.string().describe('Its leg, for GET /legs/{leg}/ladder.'),
  state: callState,
  status: z.number().optional().describe('The last SIP status: 180, 183, 200, 302, 408, 486, 487, 603 …'),
  text: z.string().describe('The last step, a sentence.'),
  openedAt: unixMs('When it was asked for'),
  steps: list(
    z.object({ at: unixMs('When'), state: callState, status: z.number().optional(), text: z.string() }),
  ),
});

const trunkState = z.enum(['up', 'down', 'unknown']);
const trunkPart = z.object({
  name: z.string().describe('Address of a proxy, or user of an account.'),
  state: trunkState,
  status: z.number().optional().describe('The last SIP status.'),
  since: unixMs('Since when'),
  until: z.number().optional().describe('Until when an account is registered, Unix ms.'),
  text: z.string().describe('A sentence: how it is, and what to do.'),
});
export const trunkView = z.object({
  trunk: z.string(),
  gateway: z.string(),
  state: trunkState,
  text: z.string(),
  proxies: list(trunkPart),
  accounts: list(trunkPart),
});

export { list };
