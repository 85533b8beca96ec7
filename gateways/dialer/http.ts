import { request as http, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as https } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Refusal } from '../../src/kit/refusal.ts';
import { type HostAddress, unreachable } from './reach.ts';
import { failed } from './verdict.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

export interface HttpOptions {
  /** Of the host, looked up before. */
  readonly addresses: readonly HostAddress[];
  /** Any certificate will do. */
  readonly trusting: boolean;
  /** Connected; `taken`: the certificate proves nothing, and was taken all the same, for this reason. */
  readonly connected?: (taken: string | undefined) => void;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

const MAX_BODY_BYTES = 256 * 1024;

/** One request on a connection of its own. Rejects with a Refusal that names the hop. */
export function ask(method: 'POST' | 'DELETE', url: URL, o: HttpOptions): Promise<Answer> {
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return new Promise((done, fail) => {
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      method,
      agent: false,
      rejectUnauthorized: !o.trusting,
      headers: { ...o.headers, ...(o.body !== undefined && { 'content-length': Buffer.byteLength(o.body) }) },
      // The look-up was a step of its own; node tries one address after the other.
      lookup: (_host, { all }, found) =>
        all
          ? found(null, [...o.addresses])
          : found(null, o.addresses[0]?.address ?? '', o.addresses[0]?.family),
    };
    const sent = (url.protocol === 'https:' ? https : http)(url, options, response => {
      read(response).then(done, fail);
    });
    sent.setTimeout(o.timeoutMs, () =>
      sent.destroy(
        failed('transport', `Transport: ${url.host} (https) did not answer in ${o.timeoutMs / 1000} s.`),
      ),
    );
    sent.once('socket', socket => {
      const secure = url.protocol === 'https:';
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        const { authorized, authorizationError } = socket as TLSSocket;
        o.connected?.(secure && !authorized ? String(authorizationError) : undefined);
      });
    });
    sent.once('error', (e: NodeJS.ErrnoException) => fail(faultOf(e, url.hostname, port)));
    sent.end(o.body);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    if ((bytes += part.length) > MAX_BODY_BYTES)
      throw failed('signalling', 'Signalling: the server sends an endless answer; is it a WHIP server?');
    parts.push(part);
  }
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
  return { status: response.statusCode ?? 0, headers, body: Buffer.concat(parts).toString() };
}

/** OpenSSL's words for a certificate that proves nothing, in ours. */
const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'signed by an unknown authority',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'made out to another name',
};
export const certificateFault = (code: string): string => CERTIFICATE[code] ?? code;

function faultOf(e: NodeJS.ErrnoException, host: string, port: number): Error {
  if (e instanceof Refusal) return e;
  const code = e.code ?? '';
  if (code in CERTIFICATE)
    return failed(
      'transport',
      `Transport: the certificate of ${host} is ${certificateFault(code)}; give --insecure to take it all the same, or set http.certFile there.`,
    );
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return failed('transport', `Transport: ${host} port ${port} does not speak TLS; is it the http port?`);
  if (code.startsWith('HPE_') || code === 'ECONNRESET')
    return failed(
      'transport',
      `Transport: ${host} port ${port} breaks the connection off or speaks no HTTP; is it the right port, and http or https as it wants?`,
    );
  return unreachable('tcp', host, port, e);
}
