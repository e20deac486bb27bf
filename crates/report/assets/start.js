// Finds the interactive parts of the page and their data.
"use strict";
document.querySelectorAll("button.theme").forEach(themeButton);
for (const [name, start] of [["delta", deltaChart], ["panels", panelsChart], ["surface", surfacePair]]) {
  document.querySelectorAll(`[data-live=${name}]`).forEach((root) => {
    start(root, JSON.parse(document.getElementById(root.dataset.source).textContent));
  });
}
// A link to what is folded opens it; paper has everything open.
const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", unfold);
document.querySelectorAll("nav a[href^='#']").forEach((link) => link.addEventListener("click", () => setTimeout(unfold)));
unfold();
matchMedia("print").addEventListener("change", (paper) => {
  if (paper.matches) document.querySelectorAll("details.part").forEach((part) => { part.open = true; });
});
