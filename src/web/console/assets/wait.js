// Waits for the first call: looks whether the server has seen one, while somebody looks at the page.
"use strict";
const waiting = document.getElementById("waiting");
const lost = document.getElementById("lost");
const EVERY_MS = 2000;

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("waiting");
    lost.hidden = true;
    if (!fresh || fresh.querySelector("[data-waits]")) return;
    waiting.replaceChildren(...fresh.childNodes);
    clearInterval(looking);
  } catch {
    lost.hidden = false;
  }
}

let looking;
if (waiting.querySelector("[data-waits]")) {
  looking = setInterval(look, EVERY_MS);
  // Who has called from the telephone that shows this page comes back to it.
  document.addEventListener("visibilitychange", look);
}
