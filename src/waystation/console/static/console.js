// Keyboard and small comforts; every page works without it.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !typing) {
    const find = document.getElementById("find");
    if (find) { event.preventDefault(); find.focus(); }
  }
});
