// The types in strict projects that check every library: each way of resolving, with the DOM's types and without.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { project, tool } from "./package.mjs";

const run = promisify(execFile);

const resolutions = [
  ["nodenext", "nodenext"],
  ["node16", "node16"],
  ["esnext", "bundler"],
];

/** Compiles the files in each resolution; gives what the compiler says, which should be nothing. */
async function compiles(t, files, options, tools = []) {
  const root = project(t, { "package.json": '{ "type": "module" }', ...files }, tools);
  for (const [module, moduleResolution] of resolutions) {
    // A bundler's resolution knows no modules of the other kind.
    const names = Object.keys(files).filter((name) => moduleResolution != "bundler" || !name.endsWith(".cts"));
    const flags = Object.entries({ module, moduleResolution, target: "es2022", ...options }).flatMap(([name, value]) => [`--${name}`, value]);
    const { stdout } = await run(process.execPath, [tool("typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck", "false", ...flags, ...names], { cwd: root }).catch((error) => error);
    assert.equal(stdout, "", `${moduleResolution}, ${JSON.stringify(options)}`);
  }
}

/** Uses everything that has a type of the platform's own in it. */
const use = `
  import { connect, type AbortSignalLike, type JoinOutcome, type Message } from "rejoin";
  import { connect as connectSocketIo } from "rejoin/socketio";
  import { follow } from "rejoin/sse";
  import { webSocketOrEvents } from "rejoin/fallback";
  import { FakeServer } from "rejoin/testing";
  declare const signal: AbortSignalLike;
  declare const bytes: Uint8Array;
  export async function use(): Promise<void> {
    await using client = await connect("wss://h/ws", { signal, wasm: bytes, rooms: ["a", { room: "b", history: 50 }], shareTabs: "alice" });
    const outcome: JoinOutcome = await client.join("r", { history: 5, signal });
    const members: string[] = outcome.members ?? [];
    for await (const message of client.messages("lobby", { signal })) {
      const { content }: Message = message;
      members.push(content);
    }
    client.once("message", ({ content }) => content.length, { signal });
    const listener = ({ room }: { room: string }) => room.length;
    client.on("room", listener);
    client.off("room", listener);
    await client.send("r", "x", { signal, data: { a: 1 } });
    await client.ready({ signal });
    await client.close({ timeout: 5, signal });
    await connect("wss://h/ws", { webSocket: webSocketOrEvents({ token: async () => "t", onReadOnly: (isReadOnly: boolean) => void isReadOnly }) });
    // @ts-expect-error there is no such transport here
    webSocketOrEvents({ transports: "polling" });
    // @ts-expect-error it names the user
    await connect("wss://h/ws", { shareTabs: true });
    // @ts-expect-error there is no such option
    await connect("wss://h/ws", { rooms: [{ room: "b", histroy: 50 }] });
    await using other = await connectSocketIo("https://h", { rooms: [{ room: "b" }] });
    interface Told { price(symbol: string, value: number): void }
    interface Asked { quote(symbol: string): number }
    await using own = await connectSocketIo<Told, Asked>("https://h", { frames: true });
    own.frames.on("price", (symbol, value) => symbol.length + value, { signal });
    const quote: number = await own.frames.with({ signal }).emitWithAck("quote", "X");
    // @ts-expect-error there is no such event
    own.frames.once("pirce", () => quote);
    const joined: string = (await other.join("r", { signal })).room;
    await using feed = await follow("https://h", { room: joined, fetch: async () => ({ status: 204, headers: { get: () => null }, body: null }) });
    for await (const { content } of feed.messages({ signal })) content.length;
    type Down = { type: "price"; symbol: string; value: number } | { type: "halted" | "resumed"; symbol: string };
    type Up = { type: "subscribe"; symbols: string[] };
    await using prices = await connect<Down, Up>("wss://h/ws", { frames: true, token: "t" });
    const over: () => void = prices.frames.on("price", ({ value }) => value.toFixed(), { signal });
    prices.frames.once("halted", ({ symbol }) => symbol.length);
    prices.frames.any(({ name, data }) => name?.length ?? (data instanceof Uint8Array && data.length));
    const { status }: { status: "written" } = await prices.frames.send({ type: "subscribe", symbols: ["X"] }, { timeout: 5, volatile: true, signal });
    await prices.frames.send(bytes);
    prices.frames.keep("prices", { type: "subscribe", symbols: ["X"] });
    prices.frames.dropKept("prices");
    const answer: Down = await prices.frames.request({ type: "subscribe", symbols: [] }, { timeout: 5, signal });
    const { quoted } = await prices.frames.request<{ quoted: number }>({ type: "subscribe", symbols: [answer.symbol] });
    // @ts-expect-error nor is it kept so
    prices.frames.keep("prices", { type: "subscribe", symbol: quoted });
    prices.on("message", ({ content }) => content.length);
    // @ts-expect-error the server says no such thing
    prices.frames.on("pirce", () => {});
    // @ts-expect-error a halt has no value
    prices.frames.on("halted", ({ value }) => value);
    // @ts-expect-error it is not sent so
    await prices.frames.send({ type: "subscribe" });
    // @ts-expect-error without the option there are none
    client.frames;
    // @ts-expect-error nor with types alone
    await connect<Down, Up>("wss://h/ws", {});
    const untyped = await connect("wss://h/ws", { frames: true });
    untyped.frames.on("anything", ({ type, more }) => [type.length, more, over, status]);
    new FakeServer().options();
  }
`;
const common = 'import rejoin = require("rejoin"); export const connected = async (): Promise<string> => (await rejoin.connect("wss://h/ws")).state;';

test("without the DOM's types and those of Node", (t) => compiles(t, { "use.ts": use, "common.cts": common }, { lib: "es2022", types: "*" }));

test("with the DOM's types: its own classes fit", (t) =>
  compiles(
    t,
    {
      "use.ts": use,
      "page.ts": `
        import { connect, type Clock } from "rejoin";
        import { follow } from "rejoin/sse";
        import { webSocketOrEvents } from "rejoin/fallback";
        const clock: Clock = globalThis;
        const { signal } = new AbortController();
        const client = await connect([new URL("wss://h/ws"), "/ws"], { webSocket: WebSocket, clock, signal, wasm: new URL("https://h/rejoin.wasm") });
        await client.send("r", "x", { signal: AbortSignal.timeout(5) });
        await connect("wss://h/ws", { wasm: await WebAssembly.compile(new ArrayBuffer(8)) });
        await follow(new URL("https://h"), { room: "r", fetch, signal });
        await connect("/ws", { webSocket: webSocketOrEvents({ webSocket: WebSocket, fetch, clock }) });
        await follow("https://h", { room: "r", fetch: (url, init) => fetch(url, { ...init, credentials: "include" }) });
      `,
    },
    { lib: "es2022,dom,dom.iterable" },
  ));

for (const lib of ["es2022", "es2022,dom"]) {
  test(`with the package ws, as the README has it, lib ${lib}`, (t) =>
    compiles(
      t,
      {
        "use.ts": use,
        "common.cts": common,
        "ws.ts": `
          import { WebSocket } from "ws";
          import { connect } from "rejoin";
          import { connect as connectSocketIo } from "rejoin/socketio";
          import { follow } from "rejoin/sse";
          import { webSocketOrEvents } from "rejoin/fallback";
          const client = await connect("wss://h/ws", { webSocket: WebSocket });
          await connect("wss://h/ws", { webSocket: webSocketOrEvents({ webSocket: WebSocket }) });
          await connectSocketIo("https://h", { webSocket: WebSocket });
          await follow("https://h", { room: "r", fetch });
          await client.send("r", "x", { signal: AbortSignal.timeout(5) });
        `,
      },
      { lib, types: "node" },
      ["ws", "@types/ws", "@types/node"],
    ));
}
