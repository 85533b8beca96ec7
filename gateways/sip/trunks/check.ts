/** `roombridge check`: asks the proxies and registrars of the config, and says in sentences what keeps them from serving. */
import { randomBytes } from 'node:crypto';
import type { Clock, Finding } from '../../../src/contract.ts';
import { type Drive, drive } from '../../../src/io/drive.ts';
import { type Flows, openFlows } from '../../../src/io/flows.ts';
import { type Resolver, systemResolver } from '../../../src/io/resolver.ts';
import { readPem, TlsKeys } from '../../../src/io/tls-keys.ts';
import type { Credentials } from '../../../src/proto/sip/digest.ts';
import { DigestSession } from '../../../src/proto/sip/digest-session.ts';
import { SipEndpoint } from '../../../src/proto/sip/endpoint.ts';
import type { OutsideRequest, SipInput } from '../../../src/proto/sip/events.ts';
import type { Flow } from '../../../src/proto/sip/flow.ts';
import { EndpointSignalling } from '../../../src/proto/sip/signalling.ts';
import { escapeUser, parseUri, type Uri } from '../../../src/proto/sip/uri.ts';
import type { SipConfig } from '../config.ts';
import { checkName } from '../tls-names.ts';
import type { Asked, Asking } from './asking.ts';
import { targetName } from './locating.ts';
import { createTrunks, trunkParts } from './open.ts';
import { hostPort, type Trunk } from './trunk.ts';

/** A server that says nothing for this long does not answer. */
const PATIENCE_MS = 3000;

const ok = (text: string): Finding => ({ level: 'ok', text });
const error = (text: string): Finding => ({ level: 'error', text });

/** Nothing is registered and nobody is called: OPTIONS, and REGISTER without a Contact (RFC 3261 §10.2.3). */
export async function checkTrunks(
  config: SipConfig,
  clock: Clock,
  resolver: Resolver = systemResolver(),
): Promise<readonly Finding[]> {
  if (config.trunks.length === 0)
    return [ok('no trunks; callers come in by address, and sip.dialOut.allow says who may be called.')];
  const closed = new Map<string, string>();
  let run: Drive<SipInput> | undefined;
  const flows = await open(config, clock, {
    datagram: (flow, bytes) => run?.feed({ type: 'datagram', flow, bytes }),
    chunk: (flow, bytes) => run?.feed({ type: 'chunk', flow, bytes }),
    closed: flow => run?.feed({ type: 'flow-closed', flow }),
    unreachable: (flow, why) => void closed.set(`${flow.transport}:${flow.host}:${flow.port}`, why),
    junk() {},
  });
  const host = config.address ?? '127.0.0.1';
  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: () => ({ host, port: flows.port }),
    name: config.serverName,
    maxCalls: 0,
  });
  const signalling = new EndpointSignalling(input => run?.feed(input), {
    send: (flow: Flow, bytes) => flows.send(flow, bytes),
    hangUp: flow => flows.hangUp(flow),
    incoming: () => () => {},
    count() {},
    bug() {},
  });
  run = drive(endpoint, clock, out => signalling.act(out));
  try {
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const outside = { clock, log, signalling, resolver };
    const { asking } = trunkParts(config, outside);
    const findings: Finding[] = [];
    for (const trunk of createTrunks(config, outside).all)
      findings.push(...(await look(trunk, asking, closed)));
    return findings;
  } finally {
    run.stop();
    await flows.close();
  }
}

async function look(trunk: Trunk, asking: Asking, closed: ReadonlyMap<string, string>): Promise<Finding[]> {
  const { name, outbound, register } = trunk.config;
  const findings: Finding[] = [];
  const asker = (
    uri: string,
    method: string,
    user: string,
    credentials: Credentials | undefined,
  ): Promise<Outcome> => ask(trunk, asking, uri, method, user, credentials);
  for (const { uri } of outbound?.proxies ?? []) {
    const said = await asker(uri, 'OPTIONS', 'ping', trunk.credentials);
    findings.push(judge(`trunk ${name}: ${uri}`, said, closed, 'outbound.username and outbound.password'));
  }
  for (const account of register?.accounts ?? []) {
    const credentials =
      account.password === undefined
        ? undefined
        : { username: account.authUser ?? account.user, password: account.password };
    const said = await asker(register?.registrar as string, 'REGISTER', account.user, credentials);
    findings.push(
      judge(
        `trunk ${name}: account ${account.user} at ${register?.registrar}`,
        said,
        closed,
        'its user and password in register.accounts',
      ),
    );
  }
  return findings.length > 0
    ? findings
    : [ok(`trunk ${name}: it only calls in; nothing is asked of the other side.`)];
}

interface Outcome extends Asked {
  readonly challenged: boolean;
  readonly hasPassword: boolean;
}

/** One request, and once more with the password when it is challenged. */
async function ask(
  trunk: Trunk,
  asking: Asking,
  uri: string,
  method: string,
  user: string,
  credentials: Credentials | undefined,
): Promise<Outcome> {
  const there = parseUri(uri) as Uri;
  const address = `sip:${escapeUser(user)}@${trunk.domain}`;
  const base = {
    method,
    uri: `${there.scheme}:${hostPort(there)}`,
    from: address,
    to: method === 'REGISTER' ? address : `sip:${hostPort(there)}`,
    callId: randomBytes(16).toString('hex'),
  };
  const o = { tcpOver1300: false, tryNextAfterMs: PATIENCE_MS, patienceMs: PATIENCE_MS };
  const send = (cseq: number, headers: OutsideRequest['headers'], prefer?: Asked['target']): Promise<Asked> =>
    asking.ask(trunk.uriOf(uri), { ...base, cseq, headers }, o, prefer);
  const first = await send(1, []);
  const hasPassword = credentials !== undefined;
  if ((first.status !== 401 && first.status !== 407) || first.response === undefined)
    return { ...first, challenged: false, hasPassword };
  const session = credentials && new DigestSession(credentials, randomBytes);
  if (session?.challenged(first.response) === undefined) return { ...first, challenged: true, hasPassword };
  const second = await send(2, session.authorize(method, base.uri), first.target);
  return { ...second, challenged: true, hasPassword };
}

/** One sentence: what is, and what to do. */
function judge(what: string, said: Outcome, closed: ReadonlyMap<string, string>, password: string): Finding {
  const { status, response, target } = said;
  if (target === undefined)
    return error(`${what}: the name leads nowhere in DNS. Correct it, or write the IP address.`);
  const where = targetName(target);
  if (response === undefined) {
    const why = closed.get(`${target.transport}:${target.address}:${target.port}`);
    if (why !== undefined && target.transport === 'tls')
      return error(
        `${what}: no TLS connection to ${where}: ${why.replace(/\.$/, '')}. Correct the name, its certificate, or sip.tls.caFile.`,
      );
    if (status === 503)
      return error(
        `${what}: no connection to ${where}${why === undefined ? '' : ` (${why.replace(/\.$/, '')})`}. Check that it runs, the port, and the firewall between.`,
      );
    return error(
      `${what}: no answer from ${where} within ${PATIENCE_MS / 1000} s. Check that it runs, the port, the firewall between, and that it lets this host in.`,
    );
  }
  const code = `${status} ${response.reason}`;
  if (status === 401 || status === 407)
    return error(
      said.hasPassword
        ? `${what}: it refuses the password (${code}). Correct ${password}.`
        : `${what}: it wants a password (${code}). Set ${password}.`,
    );
  if (status === 403)
    return error(
      `${what}: it does not let us in (${code}). Ask its operator about this host's address, the user and the domain.`,
    );
  if (status === 503) return error(`${what}: it is there and takes no calls (${code}).`);
  if (status === 404 && what.includes(': account '))
    return error(`${what}: it knows no such account (${code}). Correct user and domain.`);
  return ok(`${what}: ${where} answers (${code})${said.challenged ? ' and takes the password' : ''}.`);
}

async function open(config: SipConfig, clock: Clock, on: Parameters<typeof openFlows>[2]): Promise<Flows> {
  const { address = '0.0.0.0', tls } = config;
  const keys = new TlsKeys();
  const authorities = tls.caFile === undefined ? undefined : [await readPem(tls.caFile)];
  keys.replace(undefined, new Map(), authorities);
  const tlsClient = {
    keys,
    verify: tls.verifyServers,
    checkName,
  };
  return openFlows({ address, port: 0, tcp: true, setting: 'sip.port', tlsClient }, clock, on);
}
