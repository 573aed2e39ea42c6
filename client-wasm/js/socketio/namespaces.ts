// The namespaces over one connection: the first, whose client has the machine and the connection, and those beside it, each
// with a client of its own. Hands packets and turns to and fro; what they mean is the machine's business.
import { Client as RoomClient } from "../client.js";
import { ended } from "../errors.js";
import type { Home } from "../home.js";
import { Loader } from "../loading.js";
import type { Machine } from "../machine.js";
import { Input, type Output } from "../names.js";
import { roomsOf } from "../settings.js";
import type { Inside, Speech } from "../speech.js";
import { wellFormed } from "../text.js";
import type { Clock, CloseOptions, Options as AnyOptions, WasmSource } from "../types.js";
import { argument, check, either, fields, listOf, object, text, token, type Kinds } from "../validate.js";
import { carrier, SpaceMachine, type Carrier } from "./carrier.js";
import { Client } from "./client.js";
import { source } from "./credentials.js";
import { Sent } from "./names.js";
import type { Packet } from "./packet.js";
import type { SocketIoSpeech } from "./speech.js";
import type { NamespaceOptions } from "./types.js";

/** A slash and what neither ends a name on the wire nor begins what servers ignore. */
const NAMESPACE = /^\/[^,?\s\p{Cc}]{0,127}$/u;
/** Most of them beside the first. */
const MOST = 64;
/** What is sent has the number of its namespace in its last field. */
const SPACE = 15;

/** Who the server is told that this is. */
export const identity: Kinds = {
  token,
  auth: either([object[0], "an object"], [(value: unknown) => typeof value == "function", "a function that gives one"]),
};
const options: Kinds = { ...identity, rooms: listOf([either(text, object)[0], "a room's name, or { room }"]) };

/** A namespace's name, as it goes over the wire. */
export function namespaceName(name: unknown, code: "bad_option" | "bad_argument"): string {
  argument(name, text, "namespace", code);
  check(NAMESPACE.test(name as string), code, `"${name}" is no namespace`, "it looks like /admin");
  return wellFormed(name as string);
}

/** A namespace beside the first. */
interface Space {
  readonly name: string;
  /** It stays when the namespace is left: an answer may still come. */
  readonly speech: SocketIoSpeech;
  readonly machine: Pick<Machine, "input">;
  /** `undefined` for one that is left. */
  client: RoomClient | undefined;
  inside: Inside | undefined;
  token: string | undefined;
}

/** What all namespaces have in common. */
export interface Shared {
  readonly home: Home;
  readonly urls: URL[];
  /** Of a client's options those that are for all. */
  readonly options: Pick<AnyOptions, "notifications" | "sendTtl" | "webSocket"> & { clock?: Clock; wasm?: WasmSource };
  readonly acks: readonly number[];
  speech(namespace: string): SocketIoSpeech;
  readonly loader: Loader;
  readonly Rooms: typeof RoomClient;
}

/** The namespaces of one client. */
export class Namespaces {
  readonly #first: RoomClient;
  #inside: Inside | undefined;
  #machine: Carrier | undefined;
  readonly #made: Promise<void>;
  /** By number less one; a name keeps its number. */
  readonly #spaces: Space[] = [];

  constructor(
    readonly name: string,
    readonly shared: Shared,
    /** What the first client is made with beside that. */
    given: AnyOptions,
  ) {
    const { home, urls, acks, loader, Rooms } = shared;
    let made: () => void;
    this.#made = new Promise((resolve) => (made = resolve));
    const Machine = carrier(home.Machine, acks, {
      made: (machine) => {
        this.#machine = machine;
        made();
      },
      told: (space) => this.#settle(this.#spaces[space - 1]),
      freed: () => (this.#machine = undefined),
    });
    const speech = shared.speech(name);
    speech.elsewhere = (conn, packet) => this.#received(conn, packet);
    const spoken: Speech = {
      read: (...given) => speech.read(...given),
      told: (...given) => speech.told(...given),
      write: (kind, fields, ids, writer) => {
        const space = this.#spaces[fields[SPACE]! - 1];
        return space ? this.#write(space, kind, fields, ids) : speech.write(kind, fields, ids, writer);
      },
      frames: (inside) => {
        this.#inside = inside;
        return speech.frames?.(inside);
      },
    };
    this.#first = new Rooms({ ...home, Machine }, urls, given, spoken, loader);
    // Nobody is told anything after the first.
    this.#first.on("state", ({ state }) => {
      if (state == "closed") for (const { client } of this.#spaces) void client?.close({ timeout: 0 });
    });
  }

  /** The client of the first. */
  get client(): Client {
    return new Client(this.#first, this);
  }

  /** Ends a client; with the first one all of them, for which it waits as long. */
  async close(client: RoomClient, given: CloseOptions = {}): Promise<void> {
    const others = client == this.#first ? this.#spaces.flatMap(({ client }) => client ?? []) : [];
    if (!others.length) return client.close(given);
    const { performance } = this.shared.options.clock ?? globalThis;
    const end = performance.now() + (given.timeout ?? 5_000);
    await Promise.all(others.map((other) => other.close(given)));
    return client.close({ ...given, timeout: Math.max(end - performance.now(), 0) });
  }

  /** Opens one more. */
  open(given: string, how: NamespaceOptions = {}): Client {
    fields(how, options);
    const { rooms, ...auth } = how;
    roomsOf(rooms, {});
    const name = namespaceName(given, "bad_argument");
    if (this.#first.state == "closed") throw ended();
    const taken = name == this.name || this.#spaces.some((space) => space.name == name && space.client);
    check(!taken, "bad_argument", `the namespace ${name} is open already`, "use its client, or close that first");
    const open = this.#spaces.filter(({ client }) => client).length;
    check(open < MOST, "bad_argument", `${MOST} namespaces are open beside the first`, "close one of them first");
    return new Client(this.#begin(name, source(auth, null), rooms), this);
  }

  #begin(name: string, token: AnyOptions["token"], rooms: NamespaceOptions["rooms"]): RoomClient {
    const { home, urls, options, loader, Rooms } = this.shared;
    const known = this.#spaces.findIndex((space) => space.name == name);
    const at = known < 0 ? this.#spaces.length : known;
    const speech = this.shared.speech(name);
    const machine = { input: (...input: Parameters<Machine["input"]>) => this.#machine?.inputIn(at + 1, ...input) };
    const space: Space = { name, speech, machine, client: undefined, inside: undefined, token: undefined };
    const [now, all] = [() => this.#machine, () => this.#settleFirst()];
    class Carried extends SpaceMachine {
      constructor(...[, , , credentials]: ConstructorParameters<typeof Machine>) {
        super(now, at + 1, credentials, all);
      }
    }
    const spoken: Speech = {
      read: (...given) => speech.read(...given),
      told: (...given) => speech.told(...given),
      // The first one's client writes.
      write: () => undefined,
      frames: (inside) => {
        space.inside = inside;
        return speech.frames?.(inside);
      },
    };
    class SpaceClient extends Rooms {
      override setToken(token: string): void {
        space.token = token;
        super.setToken(token);
      }
    }
    if (typeof token == "string") space.token = token;
    const asked = typeof token == "function" ? async (why: { rejected: boolean }) => (space.token = await token(why)) : token;
    this.#spaces[at] = space;
    const given = { ...options, ...(asked != undefined && { token: asked }), ...(rooms && { rooms }) };
    const made = { ...home, Machine: Carried as unknown as typeof Machine };
    const client = new SpaceClient(made, urls, given, spoken, new CarriedLoader(loader, this.#made, !!this.#machine));
    space.client = client;
    client.on("state", ({ state }) => {
      if (state == "closed") space.client = space.inside = undefined;
    });
    return client;
  }

  /** Has the first do what somebody's words have led to. */
  #settleFirst(): void {
    if (this.#machine) this.#inside?.ask(Input.Tick, []);
  }

  #settle(space: Space | undefined): void {
    space?.inside?.ask(Input.Tick, []);
  }

  /** A packet of another namespace; whether anybody had to do with it. */
  #received(conn: number, packet: Packet): boolean {
    const space = this.#spaces.find(({ name }) => name == packet.namespace);
    if (!space) return false;
    const { speech, machine, inside } = space;
    speech.take(conn, packet, machine, inside?.table);
    return true;
  }

  /** The text of what the machine says in another namespace. */
  #write({ speech, inside, token }: Space, kind: Output, fields: ArrayLike<number>, ids: string[]): string | undefined {
    const table = inside?.table;
    // Nothing but a goodbye is said for who is gone.
    if (!table && (kind as number) != Sent.Disconnect) return undefined;
    return speech.write(kind, fields, ids, {
      name: (room) => table!.name(room),
      given: (value) => table!.given(value),
      token: () => token,
    });
  }
}

/** The module is the first one's, and there is nothing to load: only its machine is waited for. */
class CarriedLoader extends Loader {
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
