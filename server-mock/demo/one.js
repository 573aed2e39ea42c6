// A chat for one person: the npm package and nothing else. What people write is only ever put into textContent.

import "./links.js";
import { connect } from "./package/index.js";
import { Cable } from "./cable.js";
import { Pulse, showState, stateWords } from "./words.js";

const $ = (id) => document.getElementById(id);

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.textContent = text;
  return made;
}

const cable = new Cable();
const name = await login();
const address = new URLSearchParams(location.search);
const first = address.get("room") ?? "lobby";
const client = await connect(address.get("path") ?? "/ws", { token: name, rooms: [{ room: first, history: 30 }], webSocket: cable.Socket });
const pulse = new Pulse(client, first);
const rooms = new Map();
let current = first;

function login() {
  const known = sessionStorage.getItem("name");
  if (known) return known;
  const guest = `guest-${Math.random().toString(36).slice(2, 6)}`;
  $("name").value = guest;
  $("login").showModal();
  // Whoever has a name writes over it; whoever leaves the dialog with Escape is the guest.
  $("name").select();
  $("login").addEventListener("cancel", () => ($("name").value = guest));
  return new Promise((resolve) => {
    $("login").addEventListener("close", () => {
      const name = $("name").value.trim();
      sessionStorage.setItem("name", name);
      resolve(name);
    });
  });
}

// ---- rooms ----

function room(name) {
  if (!rooms.has(name)) rooms.set(name, { messages: [], members: new Set(), typing: new Map(), unread: false });
  return rooms.get(name);
}

function show(name) {
  current = name;
  room(name).unread = false;
  $("room-title").textContent = name;
  $("messages").replaceChildren(...room(name).messages);
  $("log").scrollTop = 0;
  showRooms();
  $("rooms").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  showMembers();
  showTyping();
}

function showRooms() {
  $("rooms").replaceChildren(
    ...[...rooms].map(([name, { unread }]) => {
      const item = document.createElement("li");
      const open = element("button", name, { type: "button", title: name, onclick: () => show(name), className: unread ? "unread" : "" });
      open.setAttribute("aria-current", String(name == current));
      const leave = element("button", "✕", { type: "button", onclick: () => client.leave(name) });
      leave.setAttribute("aria-label", `Leave ${name}`);
      item.append(open, leave);
      return item;
    }),
  );
}

function showMembers() {
  const members = [...room(current).members].sort();
  $("members").replaceChildren(...members.map((member) => element("li", member == name ? `${member} (you)` : member)));
}

function add(where, item) {
  const { messages } = room(where);
  messages.push(item);
  // A page that is left open must not grow for ever.
  if (messages.length > 500) messages.shift().remove();
  if (where != current) {
    room(where).unread = true;
    return showRooms();
  }
  $("messages").append(item);
}

const note = (where, text) => add(where, element("li", text, { className: "note" }));

function said(user, content, timestamp) {
  const item = document.createElement("li");
  if (user == name) item.className = "own";
  const when = new Date(timestamp);
  item.append(
    element("span", Number.isNaN(+when) ? "" : when.toLocaleTimeString([], { timeStyle: "short" }), { className: "time" }),
    element("b", user),
    element("span", content),
  );
  return item;
}

client.on("room", ({ room: where, state, code }) => {
  if (state == "left" || state == "removed" || state == "failed" || state == "refused") {
    rooms.delete(where);
    if (where == current) show(rooms.keys().next().value ?? first);
    if (code) note(current, `${where}: ${code}`);
    return showRooms();
  }
  room(where).members.add(name);
  if (where == current) show(where);
  showRooms();
});
client.on("joined", ({ room: where, members, recovered, replayed }) => {
  if (members) room(where).members = new Set([...members, name]);
  if (recovered && replayed) note(where, `${replayed} missed while away`);
  showMembers();
});
client.on("presence", ({ room: where, members }) => {
  if (members) room(where).members = new Set(members);
  showMembers();
});
client.on("user_joined", ({ room: where, user }) => {
  room(where).members.add(user);
  note(where, `${user} joined`);
  showMembers();
});
client.on("user_left", ({ room: where, user }) => {
  room(where).members.delete(user);
  note(where, `${user} left`);
  showMembers();
});
client.on("gap", ({ room: where, reason }) => note(where, `messages may be missing here: ${reason.replace("_", " ")}`));
client.on("error", ({ message }) => note(current, `the server says: ${message}`));

// ---- messages: an own one is pending until the server, or at least the network, has it ----

const pending = [];

client.on("message", ({ room: where, user, content, timestamp }) => {
  room(where).typing.delete(user);
  showTyping();
  // The own message comes back like everybody's: the pending one gives way to it.
  const mine = user == name ? pending.findIndex((it) => it.where == where && it.content == content) : -1;
  if (mine >= 0) {
    const [{ item }] = pending.splice(mine, 1);
    const theirs = said(user, content, timestamp);
    const { messages } = room(where);
    messages.splice(messages.indexOf(item), 1, theirs);
    return item.replaceWith(theirs);
  }
  add(where, said(user, content, timestamp));
});

$("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const content = $("text").value;
  if (!content.trim()) return;
  $("text").value = "";
  const item = said(name, content, Date.now());
  item.classList.add("pending");
  const mark = element("span", "waiting", { className: "mark" });
  item.append(mark);
  const entry = { where: current, content, item, since: performance.now() };
  pending.push(entry);
  add(current, item);
  $("log").scrollTop = 0;
  try {
    await client.send(current, content);
    item.classList.remove("pending");
    mark.remove();
  } catch ({ outcome, hint }) {
    const at = pending.indexOf(entry);
    if (at >= 0) pending.splice(at, 1);
    item.classList.replace("pending", "failed");
    mark.remove();
    item.append(element("div", outcome == "unknown" ? "unknown: nobody can say whether this arrived" : `not sent: ${hint}`, { className: "hint" }));
  }
});

// ---- typing ----

let lastTyped = 0;
$("text").addEventListener("input", () => {
  if (Date.now() - lastTyped < 2000) return;
  lastTyped = Date.now();
  if (client.mode == "extended") client.signal(current, "typing");
});
client.on("signal", ({ room: where, user, kind }) => {
  if (kind != "typing" || user == name) return;
  room(where).typing.set(user, Date.now() + 4000);
  showTyping();
});
function showTyping() {
  const typing = room(current).typing;
  for (const [user, until] of typing) if (until < Date.now()) typing.delete(user);
  const names = [...typing.keys()];
  $("typing").textContent = names.length ? `${names.join(", ")} ${names.length == 1 ? "is" : "are"} typing…` : "";
}

// ---- state, with its cause and a countdown ----

function look() {
  const words = stateWords(client.status, pulse.look(pending[0]?.since), client.diagnostics().rtt);
  showState($("state"), words);
  $("retry").hidden = !/trying again|^Ended/.test(words.text);
}
function showCounts() {
  const { dials, connections, framesIn, framesOut, outboxLength, rtt } = client.diagnostics();
  const rows = { dials, connections, "frames in": framesIn, "frames out": framesOut, "waiting to be sent": outboxLength };
  if (rtt != undefined) rows["round trip"] = `${Math.round(rtt)} ms`;
  $("counts").replaceChildren(...Object.entries(rows).flatMap(([what, count]) => [element("dt", what), element("dd", String(count))]));
}
client.on("state", look);
setInterval(() => {
  look();
  showCounts();
  showTyping();
}, 500);

// ---- the network panel ----

$("choice").addEventListener("change", ({ target }) => {
  cable.state = $("cable").dataset.state = target.value;
  // As a browser does for the whole page when the network is back.
  if (cable.state == "whole" && client.state != "connected") client.reconnect();
});
$("retry").addEventListener("click", () => client.reconnect());

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("room").value.trim();
  $("room").value = "";
  client.join(name).catch(({ code, message, hint }) => {
    // Of all else the event `room` tells.
    if (code == "bad_argument") note(current, `${message}: ${hint}`);
  });
  if (client.rooms.has(name)) show(name);
});

show(first);
look();
showCounts();
$("text").focus();
