import type { HeaderLine } from '../../../src/proto/sip/write.ts';
import type { Answering, ReceivedRequest, RequestOptions, SentRequest, Wire, WireResponse } from './wire.ts';

type Handler = (request: ReceivedRequest, response: Answering) => void;

/** What was answered to a request of the peer. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** A request of ours, which the test answers. */
export interface Asked extends RequestOptions {
  /** Whether it was acknowledged, and with which body. */
  readonly acks: { readonly body?: string }[];
  cancelled: boolean;
  respond(status: number, o?: { body?: string; dialog?: string; headers?: readonly HeaderLine[] }): void;
}

const text = (first: string, lines: readonly HeaderLine[], body = ''): string =>
  [
    first,
    'Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1',
    ...lines.map(([n, v]) => `${n}: ${v}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');

/** drachtio-server, as far as `Wire` shows it: the test is the peer behind it. */
export class FakeWire implements Wire {
  readonly app = {};
  readonly asked: Asked[] = [];
  readonly #handlers = new Map<string, Handler>();

  use(method: string, handler: Handler): void {
    this.#handlers.set(method, handler);
  }
  on(): void {}
  connect(): void {}
  disconnect(): void {}

  /** A request of the peer; `dialog`: within which. Resolves when it is answered. */
  receive(
    method: string,
    o: {
      dialog?: string;
      /** The dialog an answer makes. */
      makes?: string;
      from?: string;
      uri?: string;
      host?: string;
      headers?: readonly HeaderLine[];
      body?: string;
    } = {},
  ): { readonly answers: readonly Answered[]; cancel(): void } {
    const { dialog, from = 'sip:bob@192.0.2.7', uri = 'sip:1000@192.0.2.1', host = '192.0.2.7' } = o;
    const lines: HeaderLine[] = [
      ['From', `<${from}>;tag=b`],
      ['To', `<sip:1000@192.0.2.1>${dialog === undefined ? '' : ';tag=us'}`],
      ['Call-ID', dialog ?? 'new'],
      ['CSeq', `1 ${method}`],
      ['Contact', '<sip:bob@192.0.2.7>'],
      ...(o.headers ?? []),
    ];
    const answers: Answered[] = [];
    let cancelled = (_: { raw: string }): void => {};
    const response = {
      stackDialogId: undefined as string | undefined,
      send(status: number, more: Parameters<Answering['send']>[1], sent: Parameters<Answering['send']>[2]) {
        answers.push({ status, headers: more.headers ?? {}, body: more.body });
        response.stackDialogId = o.makes;
        const theirs = lines.filter(([name]) => name !== 'Contact');
        sent(null, { raw: text(`SIP/2.0 ${status} X`, [...theirs, ['Contact', '<sip:us@192.0.2.1>']]) });
      },
    };
    const request: ReceivedRequest = {
      raw: text(`${method} ${uri} SIP/2.0`, lines, o.body),
      method,
      source: 'network',
      source_address: host,
      source_port: 5060,
      protocol: 'udp',
      stackDialogId: dialog,
      on: (event: string, listener: unknown) => {
        if (event === 'cancel') cancelled = listener as typeof cancelled;
      },
    };
    this.#handlers.get(method.toLowerCase())?.(request, response);
    return { answers, cancel: () => cancelled({ raw: text(`CANCEL ${uri} SIP/2.0`, lines) }) };
  }

  request(o: RequestOptions, sent: (error: Error | null, request: SentRequest | undefined) => void): void {
    const lines: HeaderLine[] = [
      ['From', '<sip:us@192.0.2.1>;tag=us'],
      ['To', '<sip:bob@192.0.2.7>;tag=b'],
      ['Call-ID', o.stackDialogId ?? 'ours'],
      ['CSeq', `1 ${o.method}`],
      ['Contact', '<sip:us@192.0.2.1>'],
    ];
    let on = (_response: WireResponse, _acknowledge: (o?: { body?: string }) => void): void => {};
    const asked: Asked = {
      ...o,
      acks: [],
      cancelled: false,
      respond: (status, { body, dialog, headers = [] } = {}) =>
        on(
          {
            raw: text(`SIP/2.0 ${status} X`, [...lines, ...headers], body),
            status,
            reason: 'X',
            body,
            stackDialogId: dialog,
          },
          (ack = {}) => void asked.acks.push(ack),
        ),
    };
    this.asked.push(asked);
    sent(null, {
      raw: text(`${o.method} ${o.uri} SIP/2.0`, lines, o.body),
      on: (_, listener) => (on = listener),
      cancel: (_, done) => {
        asked.cancelled = true;
        done(null);
      },
    });
  }

  /** The newest request of ours of that method. */
  last(method: string): Asked {
    const found = this.asked.filter(a => a.method === method).at(-1);
    if (found === undefined) throw new Error(`no ${method}; ${this.asked.map(a => a.method).join(', ')}`);
    return found;
  }
}
