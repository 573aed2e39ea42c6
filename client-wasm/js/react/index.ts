"use client";
// Components of React that read rooms and the connection.
export { RejoinProvider, useClient, useConnection, useRoom, type RejoinProviderProps } from "./hooks.js";
export type * from "./types.js";
