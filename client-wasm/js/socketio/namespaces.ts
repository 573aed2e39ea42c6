// The namespaces over one connection: the first, whose client has the machine and the connection, and further ones, each with a client
// of its own. Routes packets and outputs between them; their meaning is up to the machine.
import { Client as RoomClient, closeRules } from "../client/client.js";
import { ended } from "../errors.js";
import type { Runtime } from "../client/runtime.js";
import { Loader } from "../wasm/load_wasm.js";
import type { Machine } from "../wasm/machine.js";
import { Input, type Output } from "../wasm/codes.js";
import { parseRooms } from "../client/options.js";
import type { ClientInternals, Protocol } from "../protocol/protocol.js";
import { wellFormed } from "../util/text.js";
import type { Clock, CloseOptions, Options as AnyOptions, WasmSource, WebSocketConstructor } from "../types.js";
import { checkArgument, check, either, checkFields, listOf, object, text, token, type Rules } from "../client/arguments.js";
import { sharedMachine, NamespaceMachine, type SharedMachine } from "./shared_machine.js";
import { Client } from "./client.js";
import { authSource } from "./credentials.js";
import { PacketIn, PacketOut } from "./codes.js";
import type { Packet } from "./packet.js";
import type { SocketIoProtocol } from "./protocol.js";
import type { NamespaceOptions } from "./types.js";

/** A slash, then characters that do not end a name on the wire and that servers do not ignore. */
const NAMESPACE = /^\/[^,?\s\p{Cc}]{0,127}$/u;
/** Most namespaces beside the first. */
const MAX_NAMESPACES = 64;
/** Outputs that are sent carry the number of their namespace in the last slot. */
const NAMESPACE_FIELD = 15;

/** The rules of the credential options. */
export const credentialRules: Rules = {
  token,
  auth: either([object[0], "an object"], [(value: unknown) => typeof value == "function", "a function that gives one"]),
};
const rules: Rules = { ...credentialRules, rooms: listOf([either(text, object)[0], "a room's name, or { room }"]) };

/** A namespace's name, as it goes over the wire. */
export function namespaceName(name: unknown, code: "bad_option" | "bad_argument"): string {
  checkArgument(name, text, "namespace", code);
  check(NAMESPACE.test(name as string), code, `"${name}" is no namespace`, "it looks like /admin");
  return wellFormed(name as string);
}

/** A namespace beside the first. */
interface Namespace {
  readonly name: string;
  /** Kept when the namespace is left: an answer may still arrive. */
  readonly protocol: SocketIoProtocol;
  readonly machine: Pick<Machine, "input">;
  /** Undefined for a namespace that was left. */
  client: RoomClient | undefined;
  internals: ClientInternals | undefined;
  token: string | undefined;
}

/** What all namespaces share. */
export interface Shared {
  readonly runtime: Runtime;
  readonly urls: URL[];
  /** The client options that apply to all namespaces. */
  readonly options: Pick<AnyOptions, "notifications" | "sendTtl"> & { clock?: Clock; wasm?: WasmSource };
  /** The settings for acks, and the transports. */
  readonly settings: readonly number[];
  /** The constructor of the sockets. */
  sockets(chosen: () => [conn: number, transport: number], upgraded: (conn: number) => void): WebSocketConstructor;
  protocol(namespace: string): SocketIoProtocol;
  readonly loader: Loader;
  readonly Rooms: typeof RoomClient;
}

/** The namespaces of one client. */
export class Namespaces {
  readonly #first: RoomClient;
  #internals: ClientInternals | undefined;
  #machine: SharedMachine | undefined;
  readonly #made: Promise<void>;
  /** The constructor of the sockets: each client checks that there is one, the first uses it. */
  readonly #webSocket: WebSocketConstructor;
  /** Index is the number less one; a name keeps its number. */
  readonly #namespaces: Namespace[] = [];

  constructor(
    readonly name: string,
    readonly shared: Shared,
    /** The options of the first client beside the shared ones. */
    given: AnyOptions,
  ) {
    const { runtime, urls, settings, loader, Rooms } = shared;
    let made: () => void;
    let chosen: [conn: number, transport: number] = [0, 0];
    this.#made = new Promise((resolve) => (made = resolve));
    const Machine = sharedMachine(runtime.Machine, settings, {
      made: (machine) => {
        this.#machine = machine;
        made();
      },
      dialling: (...dial) => (chosen = dial),
      outputFor: (space) => this.#settle(this.#namespaces[space - 1]),
      freed: () => (this.#machine = undefined),
    });
    const protocol = shared.protocol(name);
    protocol.otherNamespace = (conn, packet) => this.#received(conn, packet);
    const firstProtocol: Protocol = {
      read: (...given) => protocol.read(...given),
      decode: (...given) => protocol.decode(...given),
      write: (kind, fields, ids, writer) => {
        const space = this.#namespaces[fields[NAMESPACE_FIELD]! - 1];
        return space ? this.#write(space, kind, fields, ids) : protocol.write(kind, fields, ids, writer);
      },
      frames: (internals) => {
        this.#internals = internals;
        return protocol.frames?.(internals);
      },
    };
    const webSocket = (this.#webSocket = shared.sockets(() => chosen, (conn) => {
      this.#machine?.inputIn(0, PacketIn.Upgraded as number as Input, [conn]);
      this.#settleFirst();
    }));
    this.#first = new Rooms({ ...runtime, Machine }, urls, { ...given, webSocket }, firstProtocol, loader);
    // The other clients end with the first.
    this.#first.on("state", ({ state }) => {
      if (state == "closed") for (const { client } of this.#namespaces) void client?.close({ timeout: 0 });
    });
  }

  /** The client of the first. */
  get client(): Client {
    return new Client(this.#first, this);
  }

  /** Closes a client; the first one closes all of them, within its own timeout. */
  async close(client: RoomClient, given: CloseOptions = {}): Promise<void> {
    checkFields(given, closeRules);
    const others = client == this.#first ? this.#namespaces.flatMap(({ client }) => client ?? []) : [];
    if (!others.length) return client.close(given);
    const { performance } = this.shared.options.clock ?? globalThis;
    const end = performance.now() + (given.timeout ?? 5_000);
    await Promise.all(others.map((other) => other.close(given)));
    return client.close({ ...given, timeout: Math.max(end - performance.now(), 0) });
  }

  /** Opens one more. */
  open(given: string, how: NamespaceOptions = {}): Client {
    checkFields(how, rules);
    const { rooms, ...auth } = how;
    parseRooms(rooms, {});
    const name = namespaceName(given, "bad_argument");
    if (this.#first.state == "closed") throw ended();
    const taken = name == this.name || this.#namespaces.some((space) => space.name == name && space.client);
    check(!taken, "bad_argument", `the namespace ${name} is open already`, "use its client, or close that first");
    const open = this.#namespaces.filter(({ client }) => client).length;
    check(open < MAX_NAMESPACES, "bad_argument", `${MAX_NAMESPACES} namespaces are open beside the first`, "close one of them first");
    return new Client(this.#begin(name, authSource(auth, null), rooms), this);
  }

  #begin(name: string, token: AnyOptions["token"], rooms: NamespaceOptions["rooms"]): RoomClient {
    const { runtime, urls, options, loader, Rooms } = this.shared;
    const known = this.#namespaces.findIndex((space) => space.name == name);
    const at = known < 0 ? this.#namespaces.length : known;
    const protocol = this.shared.protocol(name);
    const machine = { input: (...input: Parameters<Machine["input"]>) => this.#machine?.inputIn(at + 1, ...input) };
    const space: Namespace = { name, protocol, machine, client: undefined, internals: undefined, token: undefined };
    const [now, all] = [() => this.#machine, () => this.#settleFirst()];
    class OwnMachine extends NamespaceMachine {
      constructor(...[, , , credentials]: ConstructorParameters<typeof Machine>) {
        super(now, at + 1, credentials, all);
      }
    }
    const namespaceProtocol: Protocol = {
      read: (...given) => protocol.read(...given),
      decode: (...given) => protocol.decode(...given),
      // The first namespace's client writes.
      write: () => undefined,
      frames: (internals) => {
        space.internals = internals;
        return protocol.frames?.(internals);
      },
    };
    class NamespaceClient extends Rooms {
      override setToken(token: string): void {
        space.token = token;
        super.setToken(token);
      }
    }
    if (typeof token == "string") space.token = token;
    const asked = typeof token == "function" ? async (why: { rejected: boolean }) => (space.token = await token(why)) : token;
    this.#namespaces[at] = space;
    const given = { ...options, webSocket: this.#webSocket, ...(asked != undefined && { token: asked }), ...(rooms && { rooms }) };
    const made = { ...runtime, Machine: OwnMachine as unknown as typeof Machine };
    const client = new NamespaceClient(made, urls, given, namespaceProtocol, new SharedLoader(loader, this.#made, !!this.#machine));
    space.client = client;
    client.on("state", ({ state }) => {
      if (state == "closed") space.client = space.internals = undefined;
    });
    return client;
  }

  /** Lets the first client execute the outputs. */
  #settleFirst(): void {
    if (this.#machine) this.#internals?.command(Input.Tick, []);
  }

  #settle(space: Namespace | undefined): void {
    space?.internals?.command(Input.Tick, []);
  }

  /** Routes a packet of another namespace; returns whether that namespace is known. */
  #received(conn: number, packet: Packet): boolean {
    const space = this.#namespaces.find(({ name }) => name == packet.namespace);
    if (!space) return false;
    const { protocol, machine, internals } = space;
    protocol.receive(conn, packet, machine, internals?.handles);
    return true;
  }

  /** The packet of an output in a further namespace. */
  #write({ protocol, internals, token }: Namespace, kind: Output, fields: ArrayLike<number>, ids: string[]): string | undefined {
    const handles = internals?.handles;
    // For a namespace that was left only DISCONNECT is sent.
    if (!handles && (kind as number) != PacketOut.Disconnect) return undefined;
    return protocol.write(kind, fields, ids, {
      name: (room) => handles!.name(room),
      payload: (value) => handles!.payload(value),
      token: () => token,
    });
  }
}

/** Loads nothing: the module is the first client's. Only its machine is awaited. */
class SharedLoader extends Loader {
  constructor(
    readonly of: Loader,
    readonly made: Promise<void>,
    isMade: boolean,
  ) {
    super(of.load, of.start, of.file);
    this.isLoaded = isMade;
  }

  override async try(from: WasmSource | undefined): Promise<void> {
    await this.of.try(from);
    await this.made;
  }
}
