// The provider and the hooks. All state is in provider_store.ts, so that every component reads the same.
import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactElement, type ReactNode } from "react";
import type { Client } from "../client/client.js";
import { ConnectionStore } from "./connection_store.js";
import { ProviderStore, storeOf } from "./provider_store.js";
import { UNKNOWN } from "./room_store.js";
import type { Connection, Room, UseRoomOptions } from "./types.js";

/** Milliseconds. */
const LEAVE_AFTER = 3_000;

/** What {@link RejoinProvider} is given: `connect` or `client`. */
export interface RejoinProviderProps {
  /**
   * Makes the client, when the provider has been mounted: `() => connect("wss://…", options)`. It is called once; give the
   * provider another `key` to connect as another user. The provider closes what it gives.
   */
  connect?: () => Client | PromiseLike<Client>;
  /** A client that the application has made, and closes itself, in the place of `connect`. */
  client?: Client;
  /**
   * How long a room is kept after its last component is unmounted, and the client after the provider is, in ms: 3,000 by default.
   * What is mounted again before costs the server nothing.
   */
  leaveAfter?: number;
  /** What may use the hooks. */
  children?: ReactNode;
}

const Context = createContext<ProviderStore | undefined>(undefined);

/** Gives the components below it a connection, which is dialled when it is mounted and closed when it is unmounted. */
export function RejoinProvider({ connect, client, leaveAfter = LEAVE_AFTER, children }: RejoinProviderProps): ReactElement {
  const [own] = useState(() => connect && new ProviderStore(connect, true, leaveAfter));
  const store = client ? storeOf(client, leaveAfter) : own;
  if (!store) throw new Error("<RejoinProvider> needs connect={() => connect(url, options)}, or client={client}");
  useEffect(() => store.mount(), [store]);
  return createElement(Context.Provider, { value: store }, children);
}

function useStore(hook: string): ProviderStore {
  const store = useContext(Context);
  if (!store) throw new Error(`${hook} needs a <RejoinProvider> above it`);
  return store;
}

/** What a server renders: nothing has begun. */
const NOT_BEGUN = new ConnectionStore(() => {}).snapshot;

/** How it stands with the connection, in words too, with the seconds until the next attempt. */
export function useConnection(): Connection {
  const { connection } = useStore("useConnection");
  return useSyncExternalStore(connection.subscribe, connection.snapshot, NOT_BEGUN);
}

/** The client itself, for what the hooks do not have; `undefined` before there is one. */
export function useClient(): Client | undefined {
  const { connection } = useStore("useClient");
  const client = () => connection.snapshot().client;
  return useSyncExternalStore(connection.subscribe, client, () => undefined);
}

/**
 * A room, of which the page is a member while a component that reads it is mounted: its messages, who is there, and what this page
 * has sent. Components that read the same room share one join and one list.
 */
export function useRoom(room: string, { history, limit }: UseRoomOptions = {}): Room {
  const store = useStore("useRoom");
  const subscribe = useCallback(
    (listener: () => void) => store.read(room, { history, limit }, listener),
    [store, room, history, limit],
  );
  const snapshot = useSyncExternalStore(subscribe, () => store.snapshot(room), () => UNKNOWN);
  const actions = useMemo(
    (): Pick<Room, "room" | "send" | "resend" | "dismiss" | "markRead" | "join"> => ({
      room,
      send: (content, options) => store.send(room, content, options),
      resend: (key) => store.resend(room, key),
      dismiss: (key) => store.dismiss(room, key),
      markRead: () => store.markRead(room),
      join: () => store.join(room),
    }),
    [store, room],
  );
  return useMemo(() => ({ ...snapshot, ...actions }), [snapshot, actions]);
}
