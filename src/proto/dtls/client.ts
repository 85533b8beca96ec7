import type { KeyObject } from 'node:crypto';
import type { Millis } from '../../kit/core.ts';
import { certificateRequested, clientHello } from './client-flight.ts';
import { DtlsEnd, type DtlsOptions } from './end.ts';
import { type KeyExchange, keyExchange } from './keys.ts';
import { readCertificate, writeSignature } from './proof.ts';
import type { HandshakeMessage } from './reassembly.ts';
import { readHelloVerifyRequest, readServerHello, readServerKeyExchange } from './server-hello.ts';
import { ALERT, DtlsFault, MESSAGE, Reader, vector } from './wire.ts';

type Step = 'start' | 'hello' | 'certificate' | 'key-exchange' | 'request' | 'done' | 'finished';

/** A server that asks for a cookie again and again would keep us busy. */
const MAX_COOKIES = 3;

/**
 * The client side of DTLS 1.2 for DTLS-SRTP: ECDHE with AES-GCM, a certificate of either kind on the other side, no
 * resumption, no renegotiation. `start` says hello. The only way into `connected` leads through four checks:
 * fingerprint, signature over the key exchange, point, Finished.
 */
export class DtlsClient extends DtlsEnd<Step> {
  #random: Buffer | undefined;
  #cookies = 0;
  #serverKey: KeyObject | undefined;
  #exchange: { readonly kx: KeyExchange; readonly peerValue: Buffer } | undefined;
  #certificateDue = false;

  constructor(o: DtlsOptions) {
    super(o, 'server', 'start');
  }

  protected start(now: Millis): void {
    if (this.step !== 'start') return;
    this.#random = this.o.random(32);
    this.step = 'hello';
    this.#hello(Buffer.alloc(0), now);
  }

  /** The server's flight again: ours did not come through. */
  protected repeats(type: number, epoch: number): boolean {
    return this.step === 'finished' && !this.connected && type === MESSAGE.serverHello && epoch === 0;
  }

  protected message(m: HandshakeMessage, now: Millis): void {
    switch (`${this.state} ${m.type} ${m.epoch}`) {
      case `hello ${MESSAGE.helloVerifyRequest} 0`:
        if (++this.#cookies > MAX_COOKIES) return this.unexpected(m);
        this.forget();
        return this.#hello(readHelloVerifyRequest(m.body), now);
      case `hello ${MESSAGE.serverHello} 0`: {
        const { serverRandom, suite, srtp } = readServerHello(m.body, this.o.profiles);
        this.suite = suite;
        this.profile = srtp;
        this.randoms = { client: this.#random!, server: serverRandom };
        return this.#next(m, 'certificate');
      }
      case `certificate ${MESSAGE.certificate} 0`:
        this.#serverKey = readCertificate(m.body, this.o.fingerprints, this.peer);
        if (this.#serverKey.asymmetricKeyType !== this.suite!.auth)
          throw new DtlsFault(
            ALERT.illegalParameter,
            'The certificate of the server does not fit the cipher suite it chose.',
          );
        return this.#next(m, 'key-exchange');
      case `key-exchange ${MESSAGE.serverKeyExchange} 0`: {
        const { group, peerValue } = readServerKeyExchange(m.body, this.#serverKey!, this.randoms!);
        this.#exchange = { kx: keyExchange(group), peerValue };
        return this.#next(m, 'request');
      }
      case `request ${MESSAGE.certificateRequest} 0`:
        certificateRequested(m.body);
        this.#certificateDue = true;
        return this.#next(m, 'done');
      case `request ${MESSAGE.serverHelloDone} 0`: // RFC 5763 §5 wants both sides to ask; the fingerprint was checked
      case `done ${MESSAGE.serverHelloDone} 0`:
        new Reader(m.body, 'ServerHelloDone').end();
        this.#next(m, 'finished');
        return this.#answer(now);
      case `finished ${MESSAGE.finished} 1`:
        this.checkFinished(m);
        return this.connect();
      default:
        return this.unexpected(m);
    }
  }

  #hello(cookie: Buffer, now: Millis): void {
    this.fly([this.write(MESSAGE.clientHello, clientHello(this.#random!, cookie, this.o.profiles))], now);
  }

  #next(m: HandshakeMessage, step: Step): void {
    this.remember(m);
    this.step = step;
  }

  /** RFC 5246 §7.3: [Certificate], ClientKeyExchange, [CertificateVerify], ChangeCipherSpec, Finished. */
  #answer(now: Millis): void {
    const { identity } = this.o;
    const { kx, peerValue } = this.#exchange!;
    const flight: Buffer[] = [];
    if (this.#certificateDue)
      flight.push(this.write(MESSAGE.certificate, vector(3, vector(3, identity.certificate))));
    flight.push(this.write(MESSAGE.clientKeyExchange, vector(1, kx.publicValue)));
    this.kx = kx;
    this.agree(peerValue);
    if (this.#certificateDue)
      flight.push(this.write(MESSAGE.certificateVerify, writeSignature(identity, this.transcript())));
    this.unlock(now);
    this.flyFinished(flight, now);
  }
}
