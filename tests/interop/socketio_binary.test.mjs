// Bytes in events of our server, judged by the Socket.IO client that everybody uses.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { CuttingProxy } from "./cutting-proxy.mjs";
import { inTime } from "./journal.mjs";
import { extendedInLobby, plainInLobby } from "./lobby.mjs";
import { freePort } from "./ports.mjs";
import { Pipe, RejoinServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const WEBSOCKET = { transports: ["websocket"] };
const POLLING = { transports: ["polling"] };

const start = (t, ...args) => RejoinServer.start(t, "--listen", "127.0.0.1:0", ...args);

/** Every kind of bytes, deep inside, and what they are on the other side. */
const sent = () => ({
  buffer: Buffer.from([0, 1, 0x1e, 255]),
  list: [1, { deep: new Uint8Array([7, 8]) }, "text", Buffer.alloc(0)],
  view: new Uint8Array([9]).buffer,
});
const bytes = (...all) => Buffer.from(all);
const received = { buffer: bytes(0, 1, 0x1e, 255), list: [1, { deep: bytes(7, 8) }, "text", bytes()], view: bytes(9) };
const encoded = (base64) => ({ _binary: true, base64 });
const shown = {
  buffer: encoded("AAEe/w=="),
  list: [1, { deep: encoded("Bwg=") }, "text", encoded("")],
  view: encoded("CQ=="),
};

describe("bytes on our server, judged by socket.io-client", { concurrency: 2 }, () => {
  for (const [how, options] of [["a WebSocket", WEBSOCKET], ["polling", POLLING], ["both", {}]]) {
    it(`pass as attachments both ways over ${how}, and as base64 to all others`, async (t) => {
      const server = await start(t);
      const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", options);
      const bob = await SocketIoClient.inRoom(t, server, "bob", "lobby", options);
      const cyd = await extendedInLobby(t, server, "cyd");
      const dan = await plainInLobby(t, server, "dan");
      for (let n = 0; n < 3; n++) {
        const content = `with bytes ${n}`;
        const answer = await ada.ask("send_message", { roomId: "lobby", content, data: sent() });
        assert.equal(answer.ok, true, JSON.stringify(answer));
        for (const client of [ada, bob]) assert.deepEqual((await client.said(content)).data, received);
        assert.deepEqual((await cyd.frame("message", (entry) => entry.content === content)).data, shown);
        const { frame } = await dan.said("ada", content);
        assert.deepEqual(Object.keys(frame).sort(), ["content", "roomId", "timestamp", "type", "userId"]);
      }
      ada.emit("signal", { roomId: "lobby", kind: "sketch", data: [bytes(1)] });
      const [signal] = await bob.event("signal");
      assert.deepEqual(signal.data, [bytes(1)]);
      cyd.say({ type: "send_message", roomId: "lobby", content: "from cyd", ref: "s", data: shown });
      assert.deepEqual((await ada.said("from cyd")).data, received);
      await ada.settled("lobby");
      await dan.finish();
    });
  }

  it("reach our own client as base64 where they stood, and are missed by nobody who was away", async (t) => {
    const server = await start(t);
    const proxy = await CuttingProxy.start(t, server.port);
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    await ada.settled("lobby");
    const pipe = new Pipe(t, `http://127.0.0.1:${server.port}/`, "eve", "-r", "lobby", "--protocol", "socketio");
    await pipe.connected("socketio");
    const bob = await SocketIoClient.inRoom(t, server, "bob", "lobby", POLLING);
    proxy.close();
    await ada.disconnected();
    await bob.ask("send_message", { roomId: "lobby", content: "sent meanwhile", data: sent() });
    proxy.open();
    assert.deepEqual((await ada.said("sent meanwhile")).data, received);
    await pipe.said("bob", "sent meanwhile");
  });

  it("come in a notification too, in their namespace", async (t) => {
    const admin = await freePort();
    const server = await start(t, "--admin", `127.0.0.1:${admin}`, "--namespace", "/inbox=personal", "--namespace", "/chat");
    const ada = await SocketIoClient.open(t, server, "ada", { namespace: "/inbox" });
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ kind: "photo", data: { thumbnail: encoded("AQID") } });
    await fetch(`http://127.0.0.1:${admin}/users/ada/notifications`, { method: "POST", headers, body });
    const [{ data }] = await ada.event("notification");
    assert.deepEqual(data, { thumbnail: bytes(1, 2, 3) });
    const chat = await ada.beside(t, "/chat", "ada");
    await chat.join("lobby");
    chat.emit("send_message", { roomId: "lobby", content: "here", data: bytes(4) });
    assert.deepEqual((await chat.said("here")).data, bytes(4));
  });

  it("have no place in the text, and are limited as all content is", async (t) => {
    const server = await start(t, "--max-content", "100");
    for (const options of [WEBSOCKET, POLLING]) {
      const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", options);
      for (const [message, code] of [
        [{ content: bytes(1) }, "bad_request"],
        [{ content: "hi", data: Buffer.alloc(200) }, "too_large"],
      ]) {
        const answer = await ada.ask("send_message", { roomId: "lobby", ...message });
        assert.deepEqual([answer.ok, answer.code], [false, code]);
      }
      await ada.settled("lobby");
      ada.socket.disconnect();
    }
  });

  it("cannot be made up so that they break those who read them", async (t) => {
    const server = await start(t);
    const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", WEBSOCKET);
    const cyd = await extendedInLobby(t, server, "cyd");
    const trap = { real: encoded("AQID"), trap: { _placeholder: true, num: 9 } };
    cyd.say({ type: "send_message", roomId: "lobby", content: "a trap", ref: "1", data: trap });
    assert.deepEqual((await ada.said("a trap")).data, trap);
    const many = Array.from({ length: 11 }, () => encoded("AQID"));
    cyd.say({ type: "send_message", roomId: "lobby", content: "many", ref: "2", data: many });
    assert.deepEqual((await ada.said("many")).data, many);
    await ada.settled("lobby");
    assert.equal(ada.journal.entries.filter((entry) => "disconnect" in entry).length, 0);
  });

  it("end the session when they are not what was announced", async (t) => {
    const server = await start(t, "--max-frame", "3000", "--ping-timeout", "1s");
    const event = (places) => `["send_message",{"roomId":"lobby","content":"x","data":${JSON.stringify(places)}}]`;
    const place = (num) => ({ _placeholder: true, num });
    for (const [code, ...packets] of [
      [1003, bytes(1)],
      [1002, `451-${event([place(0)])}`, '42["x"]'],
      [1002, `451-${event([place(1)])}`, bytes(1)],
      [1002, `452-${event([place(0), place(0)])}`, bytes(1), bytes(2)],
      [1009, `452-${event([place(0), place(1)])}`, Buffer.alloc(2_000), Buffer.alloc(2_000)],
      // It never comes.
      [1002, `452-${event([place(0), place(1)])}`, bytes(1)],
      // More attachments than a packet may have.
      [1009, `4511-${event([])}`],
    ]) {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`);
      t.after(() => socket.terminate());
      await once(socket, "open");
      const closed = once(socket, "close");
      socket.on("message", (data) => `${data}` === "2" && socket.send("3"));
      for (const packet of ['40{"token":"ada"}', '420["join_room",{"roomId":"lobby"}]', ...packets]) socket.send(packet);
      const [ended] = await inTime(closed, "the end");
      assert.equal(ended, code, `${packets}`);
    }
  });
});
