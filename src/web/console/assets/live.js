// Follows live calls: a list of them, or one, word by word. What is shown first was rendered by the
// server, and is rendered there again whenever a call comes or goes.
"use strict";
const live = document.getElementById("live");
const lost = document.getElementById("lost");
const names = { caller: "Caller", agent: "Agent", function: "Function", event: "Call" };
let source, position, waiting, due;

function node(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// How a function ended stands behind what it is; false: that is not shown.
function ended(line) {
  const called = live.querySelector(`[data-line="${CSS.escape(`f${line.id.slice(1)}`)}"]`);
  if (!called) return false;
  const words = called.querySelector("span");
  if (words) words.textContent = `${called.dataset.text || words.textContent}: ${line.text}`;
  return true;
}

// Lines are shown in batches, so that who hears the page read hears whole pieces of them.
const lines = new Map();
function show() {
  due = 0;
  for (const line of lines.values()) {
    if (line.id.startsWith("r") && ended(line)) continue;
    const old = live.querySelector(`[data-line="${CSS.escape(line.id)}"]`);
    const item = old || live.appendChild(node("li", ""));
    item.dataset.line = line.id;
    item.dataset.text = line.text;
    item.replaceChildren(node("strong", names[line.who]), " ", node("span", line.text));
    if (line.unheard) {
      const rest = item.appendChild(node(line.cut ? "del" : "span", line.unheard));
      if (!line.cut) rest.className = "quiet";
    }
    if (!old) item.scrollIntoView({ block: "nearest" });
  }
  lines.clear();
}

function words(said) {
  if (live.dataset.one) {
    if (said.doing) document.getElementById("doing").textContent = said.doing;
    if (said.line) {
      lines.set(said.line.id, said.line);
      due ||= setTimeout(show, 100);
    }
    return;
  }
  const strip = live.querySelector(`[data-call="${said.call}"]`);
  if (!strip) return;
  if (said.doing) strip.querySelector("[data-doing]").textContent = said.doing;
  if (said.line && (said.line.who === "caller" || said.line.who === "agent")) {
    strip.querySelector("[data-last]").textContent = `${names[said.line.who]}: ${said.line.text}`;
  }
}

// The list as the server has it now.
async function renew() {
  waiting = 0;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh) live.replaceChildren(...fresh.childNodes);
}

// What may be done with the call, once the agent has left it or is back in it.
async function renewAct(act) {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [fresh, doing] = ["act", "doing"].map((id) => page.getElementById(id));
  if (!fresh) return;
  act.replaceWith(fresh);
  document.getElementById("doing").textContent = doing.textContent;
}

function come(event) {
  const call = JSON.parse(event.data);
  if (live.dataset.one) {
    const act = document.getElementById("act");
    if (event.type === "call.started" && act && Boolean(act.dataset.out) !== Boolean(call.out)) renewAct(act);
    if (event.type !== "call.ended") return;
    leave();
    if (!live.dataset.stay) location.assign(`/calls/${call.call}`);
    return;
  }
  const known = live.querySelector(`[data-call="${call.call}"]`);
  if (Boolean(known) === (event.type === "call.started") && !call.out) return;
  waiting ||= setTimeout(renew, 50);
}

function follow() {
  if (source || document.hidden || !live.dataset.stream) return;
  const address = new URL(live.dataset.stream, location.href);
  if (position) address.searchParams.set("after", position);
  source = new EventSource(address);
  const each = (name, act) => source.addEventListener(name, (event) => {
    position = event.lastEventId;
    act(event);
  });
  each("call.started", come);
  each("call.ended", come);
  each("call.words", (event) => words(JSON.parse(event.data)));
  source.onopen = () => { lost.hidden = true; };
  source.onerror = () => {
    lost.hidden = false;
    if (source.readyState !== EventSource.CLOSED) return;
    // Refused: the page itself says why, once it answers. A call that is made from it goes on.
    leave();
    setTimeout(again, 5000);
  };
}

async function again() {
  if (source || document.hidden) return;
  const answer = await fetch(location.href).catch(() => undefined);
  const isOver = answer && (answer.redirected || [401, 403, 404].includes(answer.status));
  if (isOver && !live.dataset.stay) location.reload();
  else follow();
}

function leave() {
  if (source) source.close();
  source = null;
}

// A page that nobody sees takes no connection from those that are seen.
document.addEventListener("visibilitychange", () => document.hidden ? leave() : follow());
addEventListener("pagehide", leave);
setInterval(() => {
  for (const since of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - since.dataset.since) / 1000));
    const minutes = Math.floor(seconds / 60);
    since.textContent = minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
  }
}, 1000);
follow();
