// Keyboard and small comforts; every page works without it.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) {
    const find = document.getElementById("find");
    if (find) { event.preventDefault(); find.focus(); }
  }
});
// A page that polls itself says how old it is; without a connection it says so plainly.
let shownAt = performance.now();
const sayAge = () => {
  const age = document.querySelector("[data-age]");
  if (!age) return;
  const seconds = Math.round((performance.now() - shownAt) / 1000);
  age.dataset.base ??= age.textContent;
  if (seconds < 40) { age.textContent = `${age.dataset.base}, ${seconds}\u00a0s old`; return; }
  age.textContent = `This page is ${seconds < 120 ? `${seconds}\u00a0s` : `${Math.floor(seconds / 60)}\u00a0min`} old. Values may have changed since.`;
};
if (document.querySelector("[data-age]")) setInterval(sayAge, 1000);
document.addEventListener("htmx:afterSwap", () => { shownAt = performance.now(); sayAge(); });
