import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpMount } from '../../../src/contract.ts';
import type { TestMount } from '../harness.ts';

/** An HTTP server with nothing but upgrades. */
export async function openMount(): Promise<TestMount> {
  const upgrades = new Map<string, Parameters<HttpMount['upgrade']>[1]>();
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request, socket, head) => upgrades.get(request.url ?? '')?.(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    bases: [`http://127.0.0.1:${port}`],
    route() {},
    upgrade: (path, handler) => void upgrades.set(path, handler),
    async close() {
      server.closeAllConnections();
      await new Promise(done => server.close(done));
    },
  };
}
