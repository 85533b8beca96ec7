import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { Refusal, refuse } from '../kit/refusal.ts';
import { closedRefusal, noResponderRefusal, timeoutRefusal } from './wire.ts';

/** Codes of JetStream's API the library has no names for (nats-server, server/errors.json). */
const NO_LEADER: readonly number[] = [10008, 10009, 10118];
const FEW_SERVERS: readonly number[] = [10005, 10074];
const FULL: readonly number[] = [10002, 10023, 10028, 10047];

export const isMissing = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;

/** The library does not give out the class of its error. */
const isOff = (error: unknown): boolean =>
  (error instanceof Error && error.name === 'JetStreamNotEnabled') ||
  (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.JetStreamNotEnabledForAccount);

/** Nobody listens where the store was. */
export const isUnheard = (error: unknown): boolean =>
  error instanceof errors.NoRespondersError ||
  (error instanceof errors.RequestError && error.isNoResponders());

/** In words why no server let us in. `servers`: without passwords. */
export function connectRefusal(error: unknown, servers: string): Refusal {
  const said = error instanceof Error ? error.message : String(error);
  return refuse(
    'server',
    'bus-unreachable',
    `No NATS server could be used at ${servers} (${said}); ${whatToDo(said)}.`,
  );
}

/** By what the server, or the way to it, said. */
function whatToDo(said: string): string {
  if (/expired/i.test(said)) return 'its bus.credentials are no longer valid: set new ones';
  if (/parse credentials|invalid seed|checksum|encoded/i.test(said))
    return 'bus.credentials must be the whole text of a .creds file, `user:password`, a token or an nkey seed';
  if (/authori[sz]ation|authentication/i.test(said))
    return 'it lets in only those it knows: set bus.credentials to what it was given';
  if (/not support 'tls'|not available on this server/i.test(said))
    return 'it does not speak TLS: give it a certificate, or begin bus.url with nats:// and leave out bus.caFile';
  if (/altname|does not match/i.test(said)) return 'give in bus.url the host name that is in its certificate';
  if (/certificate|self-signed|PEM/i.test(said))
    return 'set bus.caFile to the PEM file of the authority that signed its certificate';
  if (/timeout/i.test(said))
    return 'what listens there does not answer as NATS does: check host and port; a server that asks clients for a certificate cannot be used';
  if (/unexpected response/i.test(said)) return 'what listens there is no NATS server: check host and port';
  return 'start one there or change bus.url (--bus)';
}

/** In words what the store could not do; an answer of its own as it is. */
export function storeRefusal(error: unknown, askMs: number): unknown {
  if (error instanceof Refusal) return error;
  if (error instanceof errors.TimeoutError) return timeoutRefusal('the store', askMs);
  if (error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError)
    return closedRefusal();
  if (isOff(error))
    return refuse(
      'server',
      'no-jetstream',
      'The NATS server keeps nothing, and Roombridge needs it to (who hosts which room): start nats-server with `-js -sd FOLDER`, and let the account use JetStream.',
    );
  if (isMissing(error) || isUnheard(error) || isOneOf(error, NO_LEADER)) return noLeaderRefusal();
  const forbidden = /permissions violation for (publish|subscription) to "?([^"]+)"?/i.exec(String(error));
  if (forbidden !== null)
    return refuse(
      'server',
      'bus-forbidden',
      `NATS forbids this user ${forbidden[2]} (${forbidden[1]}): allow it to publish and subscribe roombridge.>, $JS.API.>, $JS.ACK.>, $KV.ROOMBRIDGE.> and _INBOX.>.`,
    );
  return error;
}

const noLeaderRefusal = (): Refusal =>
  refuse(
    'server',
    'no-leader',
    'The NATS servers have no leader for what they keep; they choose one within seconds while most of them run: try again, and start those that do not.',
  );

/** In words why the store could not be opened; nothing was asked of it that it might have done meanwhile. */
export function openRefusal(error: unknown, askMs: number, replicas: number): unknown {
  if (error instanceof errors.TimeoutError) return noLeaderRefusal();
  const why = storeRefusal(error, askMs);
  if (!(why instanceof JetStreamApiError)) return why;
  if (isOneOf(why, FEW_SERVERS))
    return refuse(
      'server',
      'few-servers',
      `NATS should keep everything on ${replicas} servers and has fewer that can (${why.message}): start the others with JetStream, or set bus.replicas.`,
    );
  if (isOneOf(why, FULL))
    return refuse(
      'server',
      'bus-full',
      `NATS has no room for what Roombridge keeps, 128 MB (${why.message}): raise max_file_store of the server, or the limits of the account.`,
    );
  return refuse(
    'server',
    'no-store',
    `NATS could not open what Roombridge keeps (${why.message}): see the log of nats-server.`,
  );
}

const isOneOf = (error: unknown, codes: readonly number[]): boolean =>
  error instanceof JetStreamApiError && codes.includes(error.code);

/** In words why a request was not answered. */
export function requestRefusal(error: unknown, subject: string, timeoutMs: number): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof errors.TimeoutError) return timeoutRefusal(subject, timeoutMs);
  if (isUnheard(error)) return noResponderRefusal(subject);
  return undefined;
}
