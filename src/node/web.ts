import { runsPart } from '../config/roles.ts';
import type { Loaded } from '../config.ts';
import type { Clock } from '../contract.ts';
import { watchFiles } from '../io/tls-keys.ts';
import type { Closing } from '../kit/closing.ts';
import { mountApi } from '../ops/api/api.ts';
import { keptCertificate, readCertificate, type ServerCertificate } from '../ops/http/certificate.ts';
import { ownNames } from '../ops/http/names.ts';
import { HttpServer, type HttpServerOptions } from '../ops/http/server.ts';
import type { RootLog } from '../ops/log.ts';
import { createBackend } from './backend.ts';
import { roomPage } from './page.ts';
import type { Parts } from './parts.ts';

export interface Web {
  readonly http: HttpServer;
  readonly certificate: ServerCertificate;
}

/** Opens the HTTP server of a process that needs one: page, API where it is served, and room for what the gateways mount. */
export async function openWeb(
  {
    config,
    log,
    clock,
    version,
    notReady,
  }: { config: Loaded; log: RootLog; clock: Clock; version: string; notReady: () => string | undefined },
  parts: Parts,
  closing: Closing,
): Promise<Web> {
  const { platform } = config;
  const { access, metrics } = parts;
  const backend = createBackend({ ...parts, notReady });
  const certificate = await certificateOf(config);
  const api: HttpServerOptions['api'] = runsPart(platform.roles, 'api')
    ? app => mountApi(app, { backend, access, metrics, version, now: () => Date.now() })
    : undefined;
  const http = new HttpServer({
    ...platform.http,
    externalAddress: platform.externalAddress,
    certificate,
    pages: await roomPage(),
    log,
    metrics,
    clock,
    ...(api && { api }),
  });
  await http.listen();
  closing.add(() => http.close(), renewCertificate(config, http, log, clock));
  return { http, certificate };
}

/** Takes over the operator's certificate whenever its files change. Returns its own undoing. */
function renewCertificate(config: Loaded, http: HttpServer, log: RootLog, clock: Clock): () => void {
  const { certFile, keyFile } = config.platform.http;
  if (certFile === undefined || keyFile === undefined) return () => {};
  return watchFiles([certFile, keyFile], clock, () =>
    certificateOf(config).then(
      certificate => {
        http.replaceCertificate(certificate);
        log.info({ certFile }, 'the web server has a new certificate; connections from now on get it');
      },
      error => log.warn({ err: error }, 'the new certificate is not usable; the old one stays'),
    ),
  );
}

function certificateOf({ platform }: Loaded): Promise<ServerCertificate> {
  const { certFile, keyFile } = platform.http;
  if (certFile !== undefined && keyFile !== undefined) return readCertificate(certFile, keyFile, new Date());
  return keptCertificate(platform.dataDir, ownNames(platform.externalAddress), new Date());
}
