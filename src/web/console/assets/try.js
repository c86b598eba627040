// Plays the telephone for a test call: speaks Twilio's media protocol with the server, as Twilio does.
"use strict";
const desk = document.getElementById("try");
const call = document.getElementById("call");
const typing = document.getElementById("type");
const sayForm = document.getElementById("say");
const textField = document.getElementById("text");
const keys = document.getElementById("keys");
const said = document.getElementById("said");
const scripted = document.querySelectorAll("[data-scripted]");
const meter = document.getElementById("meter");
// What happened so far, for those who look.
const line = { frames: 0, times: [], played: 0, loudest: 0, marks: 0, clears: 0, dropped: 0, sent: 0 };
// The caller's line that is to be said in other words.
let changed;
let phone;

function say(text, kind) {
  said.textContent = text;
  said.className = `note ${kind || ""}`;
  said.hidden = false;
}

function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

function bytes(text) {
  const raw = atob(text);
  const all = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n++) all[n] = raw.charCodeAt(n);
  return all;
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  });
  const told = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw new Error(told.detail || told.title);
  return told;
}

// The sound of the machine: a context, the microphone, and both ends of the line.
async function sound() {
  const context = new AudioContext({ latencyHint: "interactive" });
  const closing = () => { if (context.state !== "closed") context.close(); };
  try {
    // In the handler of the click, or it stays silent.
    const running = context.resume();
    const audio = { echoCancellation: { ideal: "all" }, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    const microphone = await navigator.mediaDevices.getUserMedia({ audio });
    await Promise.all([running, context.audioWorklet.addModule(desk.dataset.phone)]);
    const mouthpiece = new AudioWorkletNode(context, "mouthpiece", { numberOfOutputs: 0 });
    const earpiece = new AudioWorkletNode(context, "earpiece", { numberOfInputs: 0, outputChannelCount: [1] });
    context.createMediaStreamSource(microphone).connect(mouthpiece);
    // By way of an element, so that the browser takes the agent's own voice out of the microphone.
    const speaker = new Audio();
    const out = context.createMediaStreamDestination();
    earpiece.connect(out);
    speaker.srcObject = out.stream;
    await speaker.play();
    const release = () => {
      microphone.getTracks().forEach((track) => track.stop());
      speaker.srcObject = null;
      closing();
    };
    return { mouthpiece, earpiece, release };
  } catch (error) {
    closing();
    throw error;
  }
}

// Both ends of the line where somebody types: nothing is said into it, and what comes counts as heard at once.
function paper() {
  const earpiece = { port: { postMessage(data) {
    if (data.mark !== undefined) earpiece.port.onmessage({ data });
  } } };
  return { mouthpiece: { port: {} }, earpiece, release() {} };
}

// One call, from its beginning to what the server says would come next.
class Phone {
  constructor(answer, ends) {
    Object.assign(this, answer, ends);
    this.stream = `MZ${this.sid.slice(2)}`;
    this.sequence = 0;
    this.chunk = 0;
    const address = new URL(this.path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.onopen = () => this.open();
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = () => this.over();
    this.mouthpiece.port.onmessage = ({ data }) => this.speak(data);
    this.earpiece.port.onmessage = ({ data }) => this.played(data);
  }

  send(event, fields) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.sequence += 1;
    this.socket.send(JSON.stringify({ event, sequenceNumber: String(this.sequence), streamSid: this.stream, ...fields }));
  }

  open() {
    this.socket.send(JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }));
    this.send("start", { start: {
      streamSid: this.stream, callSid: this.sid, accountSid: "AC", tracks: ["inbound"],
      mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
      customParameters: { token: this.token },
    } });
    this.isOpen = true;
    if (this.first) this.type(this.first);
  }

  async type(text) {
    try {
      await ask(this.say, { text });
      textField.value = "";
    } catch (error) {
      say(error.message, "bad");
    }
  }

  speak({ frame, loudest }) {
    meter.value = loudest;
    // What was said before the line was open is nobody's to hear.
    if (!this.isOpen) return;
    line.frames += 1;
    if (line.times.length < 5000) line.times.push(performance.now());
    this.chunk += 1;
    const payload = base64(frame);
    this.send("media", { media: { track: "inbound", chunk: String(this.chunk), timestamp: String((this.chunk - 1) * 20), payload } });
  }

  hear(message) {
    if (message.event === "media") this.earpiece.port.postMessage({ sound: bytes(message.media.payload) });
    if (message.event === "mark") this.earpiece.port.postMessage({ mark: message.mark.name });
    if (message.event === "clear") {
      line.clears += 1;
      this.earpiece.port.postMessage({ clear: true });
    }
  }

  played(data) {
    if (data.mark !== undefined) {
      line.marks += 1;
      this.send("mark", { mark: { name: data.mark } });
      return;
    }
    line.played = data.played;
    line.dropped = data.dropped;
    line.loudest = Math.max(line.loudest, data.loudest);
  }

  press(digit) {
    this.send("dtmf", { dtmf: { track: "inbound_track", digit } });
  }

  // Hangs up, and is told what comes next before another call begins.
  leave() {
    return new Promise((done) => {
      this.left = done;
      this.hangUp();
    });
  }

  hangUp() {
    this.send("stop", { stop: { accountSid: "AC", callSid: this.sid } });
    this.socket.close();
  }

  async over() {
    this.release();
    phone = null;
    line.over = true;
    shown(false);
    try {
      const next = await ask(this.after, { stream: this.stream });
      say(next.says, "");
    } catch (error) {
      say(error.message, "warn");
    }
    document.getElementById("seen").hidden = false;
    if (this.left) this.left();
  }
}

function shown(isOn) {
  call.textContent = isOn ? "Hang up" : "Call the agent";
  call.className = isOn ? "bad" : "main";
  typing.hidden = isOn;
  sayForm.hidden = !isOn && !changed;
  keys.hidden = !isOn || Boolean(phone && phone.typed);
  meter.value = 0;
  document.getElementById("voice").hidden = Boolean(phone && phone.typed);
  desk.dataset.on = isOn;
}

async function begin(form, typed, first, from) {
  if (!typed && (!navigator.mediaDevices || !window.AudioWorkletNode)) {
    throw new Error("This browser gives no microphone here. It needs https, or this machine itself (localhost).");
  }
  const ends = typed ? paper() : await sound();
  try {
    const wanted = { caller: form.get("caller"), reaches_out: form.has("reaches_out"), typed };
    if (form.get("draft")) wanted.draft = JSON.parse(form.get("draft"));
    if (from) wanted.from = from;
    const answer = await ask(desk.dataset.path, wanted);
    phone = new Phone({ ...answer, typed, first }, ends);
    say(answer.says, "");
    live.replaceChildren();
    live.dataset.stream = `/api/v1/live?call=${answer.call}`;
    live.dataset.call = answer.call;
    position = undefined;
    leave();
    follow();
    const seen = document.getElementById("seen");
    seen.hidden = true;
    seen.querySelector("a").href = `/calls/${answer.call}`;
    shown(true);
    if (typed) textField.focus();
  } catch (error) {
    ends.release();
    throw error;
  }
}

async function start(typed, first, from) {
  call.disabled = typing.disabled = true;
  say("Connecting …", "");
  try {
    await begin(new FormData(desk), typed, first, from);
  } catch (error) {
    const isRefused = error.name === "NotAllowedError";
    say(isRefused ? "The browser was not allowed to use the microphone. Allow it for this page, and call again." : error.message, "bad");
  }
  call.disabled = typing.disabled = false;
}

desk.addEventListener("submit", (event) => {
  event.preventDefault();
  if (phone) phone.hangUp();
  else start(false);
});
typing.addEventListener("click", () => start(true));

// Back to a line of the caller's, which is said in other words: another test, with what came before it.
live.addEventListener("click", (event) => {
  const button = event.target.closest("[data-change]");
  if (!button) return;
  const line = button.closest("li");
  changed = { call: live.dataset.call, line: line.dataset.line };
  textField.value = line.querySelector("span").textContent;
  sayForm.hidden = false;
  document.getElementById("send").textContent = "Say this instead";
  document.getElementById("keep").hidden = false;
  textField.focus();
});
document.getElementById("keep").addEventListener("click", () => {
  textField.value = "";
  keepLines();
  sayForm.hidden = !phone;
});

function keepLines() {
  changed = undefined;
  document.getElementById("send").textContent = "Say it";
  document.getElementById("keep").hidden = true;
}

sayForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text) return;
  if (!changed) {
    if (phone) phone.type(text);
    else start(true, text);
    return;
  }
  const from = changed;
  keepLines();
  if (phone) await phone.leave();
  start(true, text, from);
});

// What is behind each line, as the call's own page has it: the passages, and what functions were given and gave.
let looking;
async function behind() {
  const answer = await fetch(`/calls/${live.dataset.call}`);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const row of page.querySelectorAll(".talk [data-line]")) {
    const item = live.querySelector(`[data-line="${CSS.escape(row.dataset.line)}"]`);
    if (!item || item.querySelector("[data-behind]")) continue;
    // What a function was given says itself what the function is.
    const isFunction = row.dataset.line.startsWith("f") && row.querySelector("[data-behind]");
    if (isFunction) item.querySelectorAll(":scope > span").forEach((said) => said.remove());
    for (const part of row.querySelectorAll("[data-behind]")) {
      item.append(part);
    }
  }
}

new MutationObserver(() => {
  for (const item of live.querySelectorAll("[data-line^=c]")) {
    if (item.querySelector("[data-change]")) continue;
    const button = item.appendChild(node("button", "Change"));
    button.type = "button";
    button.className = "plain";
    button.dataset.change = "";
    button.setAttribute("aria-label", `Change “${item.querySelector("span").textContent}” and go on from there`);
  }
  clearTimeout(looking);
  looking = setTimeout(behind, 700);
}).observe(live, { childList: true, subtree: true });

// A line that the stand-in knows is typed by a press; the first one begins a call.
for (const button of scripted) {
  button.addEventListener("click", () => {
    if (call.disabled) return;
    textField.value = button.textContent;
    sayForm.requestSubmit();
  });
  button.disabled = false;
}

keys.addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]");
  if (key && phone) phone.press(key.dataset.key);
});
addEventListener("pagehide", () => { if (phone) phone.hangUp(); });
document.getElementById("needs").remove();
call.disabled = typing.disabled = false;
