// Plays the telephone for a test call: speaks Twilio's media protocol with the server, as Twilio does.
"use strict";
const desk = document.getElementById("try");
const call = document.getElementById("call");
const keys = document.getElementById("keys");
const said = document.getElementById("said");
const meter = document.getElementById("meter");
// What happened so far, for those who look.
const line = { frames: 0, times: [], played: 0, loudest: 0, marks: 0, clears: 0, dropped: 0, sent: 0 };
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
  const told = await answer.json();
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
  }
}

function shown(isOn) {
  call.textContent = isOn ? "Hang up" : "Call the agent";
  call.className = isOn ? "bad" : "main";
  keys.hidden = !isOn;
  meter.value = 0;
  desk.dataset.on = isOn;
}

async function begin(form) {
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    throw new Error("This browser gives no microphone here. It needs https, or this machine itself (localhost).");
  }
  const ends = await sound();
  try {
    const wanted = { caller: form.get("caller"), reaches_out: form.has("reaches_out") };
    if (form.get("draft")) wanted.draft = JSON.parse(form.get("draft"));
    const answer = await ask(desk.dataset.path, wanted);
    phone = new Phone(answer, ends);
    say(answer.says, "");
    const live = document.getElementById("live");
    live.replaceChildren();
    live.dataset.stream = `/api/v1/live?call=${answer.call}`;
    position = undefined;
    follow();
    const seen = document.getElementById("seen");
    seen.hidden = true;
    seen.querySelector("a").href = `/calls/${answer.call}`;
    shown(true);
  } catch (error) {
    ends.release();
    throw error;
  }
}

desk.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (phone) return phone.hangUp();
  call.disabled = true;
  say("Connecting …", "");
  try {
    await begin(new FormData(desk));
  } catch (error) {
    const isRefused = error.name === "NotAllowedError";
    say(isRefused ? "The browser was not allowed to use the microphone. Allow it for this page, and call again." : error.message, "bad");
  }
  call.disabled = false;
});
keys.addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]");
  if (key && phone) phone.press(key.dataset.key);
});
addEventListener("pagehide", () => { if (phone) phone.hangUp(); });
document.getElementById("needs").remove();
call.disabled = false;
