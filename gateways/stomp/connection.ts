import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import type {
  Host,
  Leg,
  LegCommand,
  LegEvent,
  PlacedLeg,
  RoomEvent,
  Seat,
  Termination,
} from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { Refusal, refuse, terminationOf } from '../../src/kit/refusal.ts';
import { textFault } from '../../src/kit/text.ts';
import { type StompInput, type StompOutput, StompSession } from '../../src/proto/stomp/session.ts';

const Mute = z.strictObject({ media: z.enum(['audio', 'video']), on: z.boolean() });
const Text = z.strictObject({ text: z.string().min(1) });
const TicketAsk = z.strictObject({
  id: z.string().max(64).optional(),
  protocol: z.enum(['rtmp', 'whip', 'whep']),
  role: z.enum(['publish', 'play']),
  track: z.string().max(64).optional(),
});

/** A client that does not read is dropped at this many bytes waiting. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** A peer that does not answer the WebSocket's close is cut off. */
const CLOSE_MS = 2000;

export interface ConnectionOptions {
  readonly host: Host;
  readonly agent: string;
  readonly id: string;
  readonly socket: WebSocket;
  readonly address: string;
}

/** One WebSocket: its STOMP session, and the leg it became. */
export class Connection {
  readonly id: string;
  readonly #o: ConnectionOptions;
  readonly #session: Drive<StompInput>;
  readonly #placing = new AbortController();
  readonly #leg = randomUUID();
  #room = '';
  #placed: PlacedLeg | undefined;
  #seat: Seat | undefined;
  #emit: ((e: LegEvent) => void) | undefined;
  /** Our own reason to end, told to the client first. */
  #why: Termination | undefined;
  #over = false;

  constructor(options: ConnectionOptions) {
    this.id = options.id;
    this.#o = options;
    const { host, socket } = options;
    this.#session = drive(new StompSession(host.clock.now()), host.clock, out => this.#act(out));
    socket.on('message', (data: Buffer) => this.#session.feed({ type: 'message', bytes: data }));
    socket.on('error', () => host.count('dropped', 'websocket-error'));
    socket.on('close', () =>
      this.#finish({
        blame: 'client',
        reason: 'connection-lost',
        text: 'The signalling connection was lost.',
      }),
    );
    this.#session.feed({ type: 'message', bytes: Buffer.from('\n') }); // arms the hello timer
  }

  /** Called by the agent while the room is being joined. Throws a Refusal when the client has gone meanwhile. */
  bind(seat: Seat, emit: (e: LegEvent) => void): Leg {
    if (this.#over) throw refuse('client', 'connection-lost', 'The WebSocket closed before it was seated.');
    this.#seat = seat;
    this.#emit = emit;
    seat.confirmed();
    emit({ type: 'description', id: 0, native: {} });
    return { handle: c => this.#command(c), stats: () => [] };
  }

  end(why: Termination): void {
    this.#why ??= why;
    this.#session.feed({ type: 'refuse', reason: why.reason, text: why.text ?? why.reason });
    this.#finish(why);
  }

  #act(out: StompOutput): void {
    switch (out.type) {
      case 'send':
        return this.#send(out.text);
      case 'join':
        return void this.#join(out.room, out.user, out.credential);
      case 'act':
        return void this.#verb(out.verb, out.body).catch(error => {
          const why = terminationOf(error);
          if (!(error instanceof Refusal))
            this.#o.host.log.error({ leg: this.#leg, err: error }, 'bug in what a member asked for');
          this.#tell({ type: 'refused', verb: out.verb, reason: why.reason, text: why.text ?? why.reason });
        });
      case 'end':
        if (out.reason !== 'hung-up') this.#o.host.count('ended', out.reason);
        return this.#finish(this.#why ?? verdict(out.reason));
    }
  }

  async #join(room: string, user: string, credential: string | undefined): Promise<void> {
    const { host, agent, address } = this.#o;
    this.#room = room;
    try {
      this.#placed = await host.place(
        {
          v: 1,
          leg: this.#leg,
          trace: this.#leg,
          gateway: 'stomp',
          direction: 'in',
          room,
          roles: ['signal'],
          pin: agent,
          who: { user, display: user, proof: 'claimed', address, ...(credential && { credential }) },
          begin: { type: 'offer', native: { connection: this.id } },
        },
        event => {
          if (event.type === 'closed') this.end(event.why);
        },
        this.#placing.signal,
      );
      this.#session.feed({
        type: 'joined',
        participant: this.#placed.participant,
        secret: this.#placed.secret,
      });
      this.#seat?.watch(event => this.#watched(event));
    } catch (error) {
      this.end(terminationOf(error));
    }
  }

  /** What a member may do for itself. Throws what zod or the platform refuses. */
  async #verb(verb: string, body: string): Promise<void> {
    const participant = this.#placed?.participant ?? '';
    const { host } = this.#o;
    switch (verb) {
      case 'mute': {
        const { media, on } = parse(Mute, body);
        return host.room.mute(this.#room, participant, media, on);
      }
      case 'text': {
        const { text } = parse(Text, body);
        const fault = textFault(text);
        if (fault !== undefined) throw badBody(fault);
        return host.room.text(this.#room, participant, text);
      }
      case 'ticket': {
        const ask = parse(TicketAsk, body);
        const ticket = await host.ticket({
          room: this.#room,
          user: participant,
          participant,
          protocol: ask.protocol,
          role: ask.role,
          ...(ask.track && { track: ask.track }),
        });
        return this.#tell({ type: 'ticket', ...(ask.id && { id: ask.id }), ...ticket });
      }
      default:
        throw badBody(`There is no verb ${verb.slice(0, 40)}; there are mute, text and ticket.`);
    }
  }

  #command(command: LegCommand): void {
    if (this.#over) return;
    if (command.type === 'mute') this.#tell({ type: 'muted', media: command.media, on: command.on });
    else if (command.type === 'fact') this.#tell(command.fact as object);
    else if (command.type === 'close') this.end(command.why);
    else if (command.type === 'offer' || command.type === 'make-offer')
      this.#emit?.({ type: 'refused', id: command.id, why: NO_MEDIA });
  }

  #watched(event: RoomEvent): void {
    this.#tell(event);
  }
  #tell(fact: object): void {
    this.#session.feed({ type: 'tell', body: JSON.stringify(fact) });
  }

  #send(text: string): void {
    const { socket, host } = this.#o;
    if (socket.readyState !== socket.OPEN) return;
    socket.send(text);
    if (socket.bufferedAmount <= MAX_WAITING_BYTES) return;
    host.count('dropped', 'slow-reader');
    socket.terminate();
  }

  /** The end from whichever side, once. */
  #finish(why: Termination): void {
    if (this.#over) return;
    this.#over = true;
    this.#placing.abort();
    this.#session.stop();
    this.#emit?.({ type: 'closed', why });
    this.#o.socket.close(1000, why.reason.slice(0, 100));
    const { socket, host } = this.#o;
    if (socket.readyState === socket.CLOSED) return;
    const undo = host.clock.at(host.clock.now() + CLOSE_MS, () => socket.terminate());
    socket.once('close', undo);
  }
}

const NO_MEDIA: Termination = {
  blame: 'client',
  reason: 'no-renegotiation',
  text: 'A signalling leg carries no media: there is nothing to offer.',
};

/** How the client ended it. */
const verdict = (reason: string): Termination =>
  reason === 'hung-up'
    ? { blame: 'none', reason }
    : reason === 'connection-lost'
      ? { blame: 'client', reason, text: 'The signalling connection fell silent.' }
      : { blame: 'client', reason };

function parse<T>(schema: z.ZodType<T>, body: string): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw badBody('The body is not JSON.');
  }
  const read = schema.safeParse(json);
  if (!read.success) throw badBody(`The body does not fit: ${z.prettifyError(read.error).slice(0, 300)}`);
  return read.data;
}

const badBody = (text: string) => refuse('client', 'bad-body', text);
