// What every page has of JavaScript. No page needs it.
"use strict";
// The menu's "More" closes when one goes elsewhere.
document.addEventListener("click", (event) => {
  const open = document.querySelector("nav details[open]");
  if (open && !open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("nav details[open]");
  if (open) { open.open = false; open.querySelector("summary").focus(); }
});
// A section that an address names is open.
const unfold = () => {
  const details = document.getElementById(location.hash.slice(1))?.closest("details");
  if (details) details.open = true;
};
addEventListener("hashchange", unfold);
unfold();
// What was written into another form of the page is lost with it: one is asked first.
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-keeps]");
  if (form) form.dataset.written = "1";
});
document.addEventListener("submit", (event) => {
  const left = [...document.querySelectorAll("form[data-written]")].find((form) => form !== event.target);
  if (!left || event.defaultPrevented || event.target.method !== "post") return;
  const asked = `What you changed under “${left.dataset.keeps}” is not saved, and would be lost. Go on?`;
  if (!confirm(asked)) event.preventDefault();
});
// And so where one leaves the page without sending it.
addEventListener("beforeunload", (event) => {
  if (document.querySelector("form[data-written]") && !document.querySelector("form[data-sent]")) event.preventDefault();
});
// A form is sent once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
});
// Copies what stands in the element that it names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});
// The business is likely where its owner is.
for (const field of document.querySelectorAll("select[data-zone]")) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  // What somebody chose before, and the browser brings back, stays.
  const isTheirs = field.selectedOptions[0]?.defaultSelected === false;
  // Some call it by an old name, such as Asia/Calcutta, which is not listed beside the new one.
  if (isTheirs || !/^(?!Etc)\w+\//.test(here ?? "")) continue;
  if (![...field.options].some((option) => option.value === here)) field.add(new Option(here, here));
  field.value = here;
}
// What is written below a choice chooses it.
document.addEventListener("input", (event) => {
  const below = event.target.closest("[data-chooses]");
  if (below) document.getElementById(below.dataset.chooses).checked = true;
});
// A sound that does not come says so.
document.addEventListener("error", (event) => {
  if (event.target.matches("audio[data-tells]")) event.target.nextElementSibling.hidden = false;
}, true);
