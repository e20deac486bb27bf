// What both interactive parts use: numbers as the page writes them, packed arrays, elements, the theme.
"use strict";

/** 12345 -> "12,345". */
function grouped(n) {
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A number in at most seven characters, as in the tables. */
function short(v) {
  const size = Math.abs(v);
  if (v === 0) return "0";
  if (size >= 0.01 && size < 1e4) {
    const text = v.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 3);
    return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
  }
  return v.toExponential(1).replace(".0e", "e").replace("e+", "e");
}

/** Little-endian float32 or float64 values from base64. */
function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** An element with attributes; text goes to `textContent`. */
function element(tag, attributes, parent, text) {
  const svg = parent instanceof SVGElement || tag === "svg";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

/** A value of the stylesheet, such as "--fg". */
function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Calls `redraw` when the page changes between light and dark. */
function onTheme(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

/** The button that sets light or dark by hand. */
function themeButton(button) {
  const order = ["auto", "light", "dark"];
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % order.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    button.textContent = `theme: ${next}`;
  });
}
