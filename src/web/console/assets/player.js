// The recording on a call's page: a line plays from where it was said, and the one that is being
// heard is marked. Left and right go from line to line.
"use strict";
{
  const audio = document.querySelector("audio[data-player]");
  const lines = audio ? [...document.querySelectorAll(".talk [data-at]")] : [];
  const at = (line) => Number(line.dataset.at);
  let heard = -1;
  const place = () => lines.findLastIndex((line) => at(line) <= audio.currentTime + 0.05);
  const mark = () => {
    const now = place();
    if (now === heard) return;
    lines[heard]?.removeAttribute("aria-current");
    lines[now]?.setAttribute("aria-current", "true");
    heard = now;
  };
  const play = (line) => {
    if (!line) return;
    audio.currentTime = at(line);
    mark();
    audio.play().catch(() => {});
  };
  if (audio) {
    audio.addEventListener("timeupdate", mark);
    audio.addEventListener("seeking", mark);
    document.addEventListener("click", (event) => {
      const line = event.target.closest(".talk [data-at] .at a")?.closest("[data-at]");
      if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      play(line);
    });
    document.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (event.target.closest("input,select,textarea,audio,summary")) return;
      event.preventDefault();
      play(lines[Math.max(0, place() + step)]);
    });
    const speeds = document.querySelector("[data-speeds]");
    const buttons = [...speeds.querySelectorAll("button")];
    speeds.hidden = false;
    for (const button of buttons) {
      button.addEventListener("click", () => {
        audio.playbackRate = Number(button.value);
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      });
    }
    audio.lastElementChild.addEventListener("error", () => {
      document.querySelector("[data-unplayable]").hidden = false;
    });
  }
}
