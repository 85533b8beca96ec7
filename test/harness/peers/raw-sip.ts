import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { splitting, type Wire } from '../sip-client-wires.ts';

/** A SIP phone of bare datagrams, or of one connection: for what no decent phone does. */
export class RawSip {
  readonly received: string[] = [];
  readonly #wire: Wire;
  readonly #server: number;
  readonly #checks = new Set<() => void>();
  #made = 0;

  private constructor(serverPort: number, wire: Wire) {
    this.#server = serverPort;
    this.#wire = wire;
  }

  static open(serverPort: number, transport: 'udp' | 'tcp' = 'udp'): Promise<RawSip> {
    const open = transport === 'udp' ? datagrams : stream;
    return RawSip.over(hear => open(serverPort, hear), serverPort);
  }

  /** Over a wire of any kind. */
  static async over(open: (hear: (m: string) => void) => Promise<Wire>, serverPort: number): Promise<RawSip> {
    let phone: RawSip | undefined;
    const hear = (m: string): void => {
      if (phone !== undefined) phone.#hear(m);
    };
    phone = new RawSip(serverPort, await open(hear));
    return phone;
  }

  get port(): number {
    return this.#wire.port;
  }
  /** Our address as it stands in Via and Contact. */
  get address(): string {
    const { host, port } = this.#wire;
    return host ?? `127.0.0.1:${port}`;
  }
  get transport(): string {
    return this.#wire.transport;
  }
  send(bytes: string | Uint8Array): void {
    this.#wire.send(bytes);
  }
  close(): Promise<void> {
    return this.#wire.close();
  }

  #hear(message: string): void {
    this.received.push(message);
    for (const check of this.#checks) check();
  }

  /** A call to be sent message by message, without media. */
  call(room: string, user: string): RawCall {
    return new RawCall(this, room, user, `${process.pid}-${this.port}-${this.#made++}`, this.#server);
  }

  /** The first message from `from` on that passes. */
  until(passes: (message: string) => boolean, what: string, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = this.received.slice(from).find(passes);
        if (found === undefined) return;
        this.#checks.delete(check);
        clearTimeout(timer);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#checks.delete(check);
        const lines = this.received.map(m => m.split('\r\n', 1)[0]).slice(-20);
        reject(new Error(`no ${what} within 10 s; got: ${lines.join(', ')}`));
      }, 10_000);
      this.#checks.add(check);
      check();
    });
  }
}

function datagrams(serverPort: number, hear: (m: string) => void): Promise<Wire> {
  const socket = createSocket('udp4');
  socket.on('message', data => hear(data.toString('latin1')));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () =>
      resolve({
        transport: 'UDP',
        port: socket.address().port,
        send: bytes => socket.send(bytes, serverPort, '127.0.0.1'),
        close: () => new Promise(done => socket.close(() => done())),
      }),
    );
  });
}

function stream(serverPort: number, hear: (m: string) => void): Promise<Wire> {
  const socket = connect(serverPort, '127.0.0.1');
  socket.on('data', splitting(hear));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.once('connect', () =>
      resolve({
        transport: 'TCP',
        port: socket.localPort as number,
        send: bytes => void socket.write(bytes),
        close: async () => void socket.destroy(),
      }),
    );
  });
}

/** One call's messages, by RFC 3261 as far as asked for. */
class RawCall {
  readonly id: string;
  readonly #phone: RawSip;
  readonly #room: string;
  readonly #user: string;
  readonly #server: number;

  constructor(phone: RawSip, room: string, user: string, id: string, server: number) {
    this.#phone = phone;
    this.#room = room;
    this.#user = user;
    this.id = id;
    this.#server = server;
  }

  /** `to`: the To of a response, for what goes within the dialog. */
  message(method: string, cseq: number, branch: string, to?: string, body = ''): string {
    const { address } = this.#phone;
    return [
      `${method} sip:${this.#room}@127.0.0.1:${this.#server} SIP/2.0`,
      `Via: SIP/2.0/${this.#phone.transport} ${address};rport;branch=z9hG4bK-${this.id}-${branch}`,
      'Max-Forwards: 70',
      `From: <sip:${this.#user}@${address}>;tag=${this.id}`,
      `To: ${to ?? `<sip:${this.#room}@127.0.0.1:${this.#server}>`}`,
      `Call-ID: ${this.id}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:${this.#user}@${address}>`,
      ...(body ? ['Content-Type: application/sdp'] : []),
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n');
  }

  invite(): void {
    this.#phone.send(this.inviteText());
  }
  /** INVITE and CANCEL in one write. */
  inviteAndCancel(): void {
    this.#phone.send(this.inviteText() + this.message('CANCEL', 1, 'invite'));
  }

  inviteText(): string {
    const { port } = this.#phone;
    const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0\r\na=inactive\r\n`;
    return this.message('INVITE', 1, 'invite', undefined, sdp);
  }
  cancel(): void {
    this.#phone.send(this.message('CANCEL', 1, 'invite'));
  }

  /** Sees the INVITE to its end, whatever it is: 487 is acknowledged, a 200 is acknowledged and hung up. */
  async settle(): Promise<number> {
    const final = await this.#response('INVITE', 200);
    const status = statusOf(final);
    const to = /^To: (.*)$/m.exec(final)?.[1]?.trim();
    this.#phone.send(this.message('ACK', 1, status < 300 ? 'ack' : 'invite', to));
    if (status >= 300) return status;
    this.#phone.send(this.message('BYE', 2, 'bye', to));
    await this.#response('BYE', 200);
    return status;
  }

  /** The response to `method` of this call with at least this status. */
  #response(method: string, atLeast: number): Promise<string> {
    return this.#phone.until(
      m =>
        m.includes(this.id) && statusOf(m) >= atLeast && new RegExp(`^CSeq: \\d+ ${method}\\b`, 'm').test(m),
      `final response to ${method} of ${this.id}`,
    );
  }
  response(method: string): Promise<number> {
    return this.#response(method, 200).then(statusOf);
  }
}

const statusOf = (m: string): number => Number(/^SIP\/2\.0 (\d{3})/.exec(m)?.[1] ?? 0);

/** 200 to a request, as it came. */
export function okTo(request: string): string {
  const echoed = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(
    name => new RegExp(`^${name}: .*\r\n`, 'm').exec(request)?.[0],
  );
  return `SIP/2.0 200 OK\r\n${echoed.join('')}Content-Length: 0\r\n\r\n`;
}
