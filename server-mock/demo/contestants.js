// The clients that are compared: each joins a room, writes texts into it and gives those that come from others. Owns how
// each library is set up; counts nothing.

import { connect } from "./package/index.js";

const native = globalThis.WebSocket;
/** The cables of socket.io-client's connections: their addresses name them. */
const cables = new Map();

/** What socket.io-client finds in the place of the browser's WebSocket when it is loaded. */
class Named {
  constructor(address, protocols) {
    const url = new URL(address);
    const { Socket } = cables.get(url.searchParams.get("cable"));
    url.searchParams.delete("cable");
    return new Socket(url.href, protocols);
  }
}

/** socket.io-client, as npm has it; before any other connection is made. */
export async function loadSocketIo() {
  globalThis.WebSocket = Named;
  try {
    return (await import("./package/socket.io.js")).io;
  } finally {
    globalThis.WebSocket = native;
  }
}

const said = (isConnected) => (isConnected ? { text: "Connected", light: "good" } : { text: "No connection", light: "wait" });

export async function rejoin(path, name, room, cable) {
  const client = await connect(path, { token: name, rooms: [room], webSocket: cable.Socket });
  await client.ready();
  return {
    state: () => said(client.state == "connected"),
    write: (text) => client.send(room, text).then(() => {}, () => {}),
    receive: (take) => client.on("message", ({ user, content }) => user != name && take(content)),
    close: () => client.close(),
  };
}

/** As its documentation has it: rooms are joined again where the connection was not recovered. */
export const socketIo = (io, options) => async (path, name, room, cable) => {
  cables.set(name, cable);
  const socket = io(location.origin, {
    path: path.replace(/[^/]*$/, "socket.io/"),
    query: { cable: name },
    auth: { token: name },
    transports: ["websocket"],
    forceNew: true,
    ...options,
  });
  await new Promise((resolve) => {
    socket.on("connect", () => {
      if (!socket.recovered) socket.emit("join_room", { roomId: room }, resolve);
    });
  });
  return {
    state: () => said(socket.connected),
    write: (text) => void socket.emit("send_message", { roomId: room, content: text }, () => {}),
    receive: (take) => socket.on("message", ({ userId, content }) => userId != name && take(content)),
    close: () => {
      socket.disconnect();
      cables.delete(name);
    },
  };
};
