// Finds the interactive parts of the page and their data.
"use strict";
document.querySelectorAll("button.theme").forEach(themeButton);
for (const [name, start] of [["delta", deltaChart], ["surface", surfacePair]]) {
  document.querySelectorAll(`[data-live=${name}]`).forEach((root) => {
    start(root, JSON.parse(document.getElementById(root.dataset.source).textContent));
  });
}
