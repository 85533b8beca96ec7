import {
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node';

export interface NatsLogin {
  /** `nats://[user:password@]host:port` or `tls://…`, several separated by commas. */
  readonly url: string;
  /** Shown in the server's monitoring: this process. */
  readonly name: string;
  /** `user:password`, a token, an nkey seed, or the text of a `.creds` file (NATS JWT and seed). */
  readonly credentials?: string;
  readonly tls?: TlsOptions;
  readonly connectTimeoutMs?: number;
}

/** How the NATS library is to connect. */
export function natsLogin(options: NatsLogin): NodeConnectionOptions {
  const urls = options.url.split(',').map(u => new URL(u.includes('://') ? u.trim() : `nats://${u.trim()}`));
  const login = urls.find(u => u.username !== '');
  const secure = options.tls ?? (urls.some(u => u.protocol === 'tls:') ? {} : undefined);
  return {
    servers: urls.map(u => u.host),
    name: options.name,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // a server restarted with wrong accounts for a moment must not end us
    reconnectTimeWait: 500,
    pingInterval: 2000, // a server that vanished without a word is missed after the second unanswered one
    timeout: options.connectTimeoutMs ?? 5000,
    noAsyncTraces: true,
    ...(login && { user: decodeURIComponent(login.username), pass: decodeURIComponent(login.password) }),
    ...(options.credentials !== undefined && by(options.credentials.trim())),
    ...(secure && { tls: secure }),
  };
}

/** A user's seed of 32 bytes, in base32. */
const NKEY_SEED = /^SU[A-Z2-7]{56}$/;

function by(credentials: string): Partial<NodeConnectionOptions> {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  // The library wants the end of the last line, which a secret read from a file has lost.
  if (credentials.includes('BEGIN NATS'))
    return { authenticator: credsAuthenticator(bytes(`${credentials}\n`)) };
  if (NKEY_SEED.test(credentials)) return { authenticator: nkeyAuthenticator(bytes(credentials)) };
  const colon = credentials.indexOf(':');
  return colon < 0
    ? { token: credentials }
    : { user: credentials.slice(0, colon), pass: credentials.slice(colon + 1) };
}
