import type { KeyObject } from 'node:crypto';
import type { Millis } from '../../kit/core.ts';
import { readClientHello } from './client-hello.ts';
import { DtlsEnd, type DtlsOptions } from './end.ts';
import { keyExchange } from './keys.ts';
import { checkCertificateVerify, readCertificate } from './proof.ts';
import type { HandshakeMessage } from './reassembly.ts';
import { serverFlight } from './server-flight.ts';
import { MESSAGE, Reader } from './wire.ts';

type Step = 'hello' | 'certificate' | 'key-exchange' | 'proof' | 'finished';

/**
 * The server side of DTLS 1.2 for DTLS-SRTP: the client's certificate required, no resumption, no cookie, no
 * renegotiation. The only way into `connected` leads through all four checks (fingerprint, point, CertificateVerify,
 * Finished).
 */
export class DtlsServer extends DtlsEnd<Step> {
  #clientKey: KeyObject | undefined;

  constructor(o: DtlsOptions) {
    super(o, 'client', 'hello');
  }

  /** A server waits. */
  protected start(): void {}

  /** A new ClientHello is none of that: nobody can begin anew from outside. */
  protected repeats(type: number, epoch: number): boolean {
    const hello = type === MESSAGE.clientHello && epoch === 0;
    return hello || (this.connected && type === MESSAGE.finished && epoch === 1);
  }

  protected message(m: HandshakeMessage, now: Millis): void {
    switch (`${this.state} ${m.type} ${m.epoch}`) {
      case `hello ${MESSAGE.clientHello} 0`:
        return this.#clientHello(m, now);
      case `certificate ${MESSAGE.certificate} 0`:
        this.#clientKey = readCertificate(m.body, this.o.fingerprints, this.peer);
        this.remember(m);
        this.step = 'key-exchange';
        return;
      case `key-exchange ${MESSAGE.clientKeyExchange} 0`:
        return this.#clientKeyExchange(m);
      case `proof ${MESSAGE.certificateVerify} 0`:
        checkCertificateVerify(m.body, this.#clientKey!, this.transcript());
        this.remember(m);
        this.step = 'finished';
        return this.unlock(now);
      case `finished ${MESSAGE.finished} 1`:
        this.checkFinished(m);
        this.flyFinished([], now);
        return this.connect();
      default:
        return this.unexpected(m);
    }
  }

  #clientHello(m: HandshakeMessage, now: Millis): void {
    const choice = readClientHello(m.body, this.o.profiles);
    this.remember(m);
    this.profile = choice.srtp;
    this.suite = choice.suite;
    this.kx = keyExchange(choice.group);
    this.randoms = { client: choice.clientRandom, server: this.o.random(32) };
    const bodies = serverFlight(choice, this.randoms.server, this.kx, this.o.identity);
    this.step = 'certificate';
    this.fly(
      bodies.map(b => this.write(b.type, b.body)),
      now,
    );
  }

  #clientKeyExchange(m: HandshakeMessage): void {
    const r = new Reader(m.body, 'ClientKeyExchange');
    const point = r.vector(1);
    r.end();
    this.remember(m);
    this.agree(point);
    this.step = 'proof';
  }
}
