import { type Runtime, Session } from 'node:inspector';

/** What an object holds, all that can be reached from it by fields, private ones too. */
export interface Weight {
  readonly objects: number;
  /** Of typed arrays, buffers and strings: what is behind them. */
  readonly bytes: number;
  /** Entries of maps, sets and arrays, elements of typed arrays: by the fields that lead there, summed. */
  readonly entries: ReadonlyMap<string, number>;
}

interface Place {
  readonly value: object;
  readonly path: string;
}

/**
 * Counts what is kept, with nothing said about it by what is counted: a map that is added tomorrow is counted tomorrow.
 * Private fields are read by the inspector. What only closures hold is not seen. `leave`: what is somebody else's.
 */
export function weigh(root: object, leave: (value: object) => boolean = () => false): Weight {
  const inspector = new Session();
  inspector.connect();
  try {
    return new Scales(inspector, leave).weigh(root);
  } finally {
    inspector.disconnect();
  }
}

type Evaluated = Runtime.EvaluateReturnType;
type Properties = Runtime.GetPropertiesReturnType & {
  /** As Node answers; its types do not say so. */
  readonly privateProperties?: readonly { readonly name: string; readonly value?: Runtime.RemoteObject }[];
};

class Scales {
  readonly #inspector: Session;
  readonly #leave: (value: object) => boolean;
  readonly #seen = new Set<object>();
  readonly #open: Place[] = [];
  readonly #entries = new Map<string, number>();
  #bytes = 0;

  constructor(inspector: Session, leave: (value: object) => boolean) {
    this.#inspector = inspector;
    this.#leave = leave;
  }

  weigh(root: object): Weight {
    this.#take(root, root.constructor.name);
    for (let next: Place | undefined; (next = this.#open.pop()) !== undefined; ) this.#look(next);
    return { objects: this.#seen.size, bytes: this.#bytes, entries: this.#entries };
  }

  #take(value: unknown, path: string): void {
    if (typeof value === 'string') this.#bytes += value.length;
    if (typeof value !== 'object' || value === null || this.#seen.has(value) || this.#leave(value)) return;
    this.#seen.add(value);
    this.#open.push({ value, path });
  }

  #count(path: string, entries: number): void {
    this.#entries.set(path, (this.#entries.get(path) ?? 0) + entries);
  }

  #look({ value, path }: Place): void {
    if (ArrayBuffer.isView(value)) {
      this.#bytes += value.byteLength;
      return this.#count(path, value.byteLength);
    }
    if (Array.isArray(value) || value instanceof Set || value instanceof Map) {
      this.#count(path, Array.isArray(value) ? value.length : value.size);
      const parts = value instanceof Map ? [...value.keys(), ...value.values()] : value;
      for (const part of parts) this.#take(part, `${path}[]`);
      return;
    }
    for (const [name, { value: field }] of Object.entries(Object.getOwnPropertyDescriptors(value)))
      this.#take(field, `${path}.${name}`);
    if (Object.getPrototypeOf(value) !== Object.prototype) this.#lookInside(value, path);
  }

  /** Private fields. */
  #lookInside(value: object, path: string): void {
    const hands = { value, take: (field: object, name: string) => this.#take(field, `${path}.${name}`) };
    const shared = globalThis as { weighing?: typeof hands };
    shared.weighing = hands;
    const { result } = this.#ask<Evaluated>('Runtime.evaluate', { expression: 'globalThis.weighing.value' });
    const { objectId } = result;
    const all = this.#ask<Properties>('Runtime.getProperties', { objectId, ownProperties: true });
    for (const { name, value: field } of all.privateProperties ?? []) {
      if (field?.type === 'string') this.#bytes += (field.value as string).length;
      if (field?.type !== 'object' || field.objectId === undefined) continue;
      const functionDeclaration = `function () { globalThis.weighing.take(this, '${name}') }`;
      this.#ask('Runtime.callFunctionOn', { objectId: field.objectId, functionDeclaration });
    }
    this.#ask('Runtime.releaseObjectGroup', { objectGroup: '' });
    delete shared.weighing;
  }

  /** Answers before it returns: both ends are in this thread. */
  #ask<T>(method: string, params: object): T {
    let told: unknown;
    this.#inspector.post(method, params, (error, answer) => {
      if (error) throw new Error(`${method}: ${error.message}`);
      told = answer;
    });
    if (told === undefined) throw new Error(`${method} was not answered at once`);
    return told as T;
  }
}
