// Options as Node has them: sockets of the package ws tell with which HTTP status a dial was refused, and the module's address has to
// be one that can be fetched.
import { RejoinError } from "../errors.js";
import type { WasmSource, WebSocketConstructor, WebSocketLike } from "../types.js";
import { retryAfterOf } from "../util/retry_after.js";

/** What is used of a socket of `ws`. */
interface EmittingSocket extends WebSocketLike {
  on(name: "unexpected-response", listener: (request: unknown, response: Response) => void): void;
  emit(name: "close", code: number, reason: string): void;
  terminate?(): void;
}

interface Response {
  readonly statusCode: number;
  readonly headers: { readonly [name: string]: string | undefined };
}

/** A constructor of sockets that end with the HTTP status, or what `codeOf` makes of it, as their close code where the server refuses the upgrade. */
export function withStatus(given: WebSocketConstructor, codeOf = (status: number) => status): WebSocketConstructor {
  // Others, Node's own too, tell nothing.
  if (typeof given?.prototype?.on != "function") return given;
  const Socket = given as unknown as new (...given: unknown[]) => EmittingSocket;
  const Telling = function (...dial: unknown[]): EmittingSocket {
    const socket = new Socket(...dial);
    socket.on("unexpected-response", (_, { statusCode, headers }) => {
      Object.assign(socket, { retryAfter: retryAfterOf((name) => headers[name]) });
      socket.emit("close", codeOf(statusCode), `the server answered HTTP ${statusCode}`);
      // With a listener the request is the listener's to end.
      if (socket.terminate) socket.terminate();
      else socket.close();
    });
    return socket;
  };
  return Telling as unknown as WebSocketConstructor;
}

function isUrl(address: string): boolean {
  try {
    return !!new URL(address);
  } catch {
    return false;
  }
}

/** Throws where `wasm` is no address that Node can fetch. */
function checkWasm(wasm: unknown): void {
  const address = typeof wasm == "string" ? wasm : (wasm as { href?: unknown } | undefined)?.href;
  if (typeof address != "string" || !address || (/^(https?|data|blob):/.test(address) && isUrl(address))) return;
  throw new RejoinError("bad_option", "option wasm is no address that can be fetched here", "give https://…, or the file's bytes: await readFile(…)");
}

/** The same options, checked and resolved. */
export function nodeOptions<O extends { wasm?: WasmSource; webSocket?: WebSocketConstructor }>(options: O | undefined): O | undefined {
  checkWasm(options?.wasm);
  return options?.webSocket ? { ...options, webSocket: withStatus(options.webSocket) } : options;
}
