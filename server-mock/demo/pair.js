// Two people side by side, and the closing line that counts what they wrote in tunnels.

import "./links.js";
import { Person } from "./person.js";
import { inWords, isGood, Tally } from "./tally.js";

const address = new URLSearchParams(location.search);
const room = address.get("room") ?? "lobby";
const count = document.getElementById("count");

const people = ["ada", "bob"].map((name) => {
  document.getElementById("people").append(document.getElementById("person").content.cloneNode(true));
  const person = new Person(document.getElementById("people").lastElementChild, name, room);
  return Object.assign(person, { tally: new Tally() });
});

people.forEach((writer, at) => {
  const reader = people[1 - at];
  writer.addEventListener("written", ({ key, isInTunnel }) => writer.tally.written(key, isInTunnel));
  writer.addEventListener("settled", ({ key, mark }) => writer.tally.settled(key, mark));
  reader.addEventListener("received", ({ key }) => writer.tally.received(key));
});
for (const person of people) for (const type of ["written", "settled", "received"]) person.addEventListener(type, showCount);

function showCount() {
  for (const person of people) {
    const finished = person.tally.takeFinished();
    if (finished) person.sum(inWords(finished), isGood(finished));
  }
  const totals = people.map(({ tally }) => tally.tunnel);
  const add = (field) => totals.reduce((sum, total) => sum + total[field], 0);
  const total = { written: add("written"), delivered: add("delivered"), twice: add("twice"), unknown: add("unknown") };
  if (!total.written) return;
  count.textContent = inWords(total);
  count.dataset.good = String(isGood(total));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const play = document.getElementById("play");
play.disabled = true;
play.addEventListener("click", async () => {
  // A button that is disabled loses the focus of whoever uses the keyboard.
  if (play.ariaDisabled == "true") return;
  play.ariaDisabled = "true";
  const [ada, bob] = people;
  ada.cable.state = bob.cable.state = "whole";
  bob.write("Where are you?");
  await pause(1200);
  ada.cable.state = "cut";
  for (const text of ["In a tunnel.", "You cannot read this yet.", "But you will."]) {
    await pause(900);
    ada.write(text);
  }
  await pause(700);
  bob.write("Ada?");
  await pause(1500);
  bob.cable.state = "frozen";
  await pause(600);
  bob.write("Now I am in one too.");
  await pause(5000);
  ada.cable.state = bob.cable.state = "whole";
  play.ariaDisabled = "false";
});

// For a proxy that has the server below a path.
await Promise.all(people.map((person) => person.start(address.get("path") ?? "/ws")));
play.disabled = false;
