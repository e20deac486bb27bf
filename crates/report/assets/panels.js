// Charts of lines, drawn from the panels of a figure: values under the pointer, lines to hide, a part to look at.
"use strict";

/** Text with what stands behind `_` or `^` after a symbol set lower or higher, as in the still pictures. */
function typeset(parent, text) {
  let back = 0;
  const put = (piece, dy, small) => {
    if (!(parent instanceof SVGElement)) return parent.append(small ? element(dy < 0 ? "sup" : "sub", {}, null, piece) : piece);
    const span = element("tspan", { dy: dy + back, ...(small ? { "font-size": "10" } : {}) }, parent, piece);
    back = small ? -dy : 0;
    return span;
  };
  let last = 0;
  for (const m of text.matchAll(/(?<![\p{L}\d_])([ΔLHPDEℓλθ])(?:_[({]([^)}]+)[)}]|_([\p{L}\d])(?![\p{L}\d_])|(?<=λ)(\d+))|(?<=(?<![\p{L}\d_])\p{L})\^([\p{L}\d−.-]*[\p{L}\d])/gu)) {
    const sup = m[5] !== undefined;
    const start = m.index + (sup ? 0 : 1);
    if (start > last) put(text.slice(last, start), 0, false);
    put(sup ? m[5] : m[2] || m[3] || m[4], sup ? -5 : 4, true);
    last = m.index + m[0].length;
  }
  if (last < text.length) put(text.slice(last), 0, false);
}

/** A number as the tables write it: with commas and a minus sign. */
const written = (v) => short(v).replace(/^(-?\d)(\d{3})$/, "$1,$2").replace(/^-/, "−");

/** Round values on an axis, as [place, label]; of whole numbers only whole ones. */
function axisTicks([low, high], log, whole, most) {
  if (log) {
    const at = (digits) => {
      const all = [];
      for (let n = Math.floor(low); n <= Math.ceil(high); n += 1) for (const d of digits) all.push(n + Math.log10(d));
      return all.filter((p) => p >= low && p <= high);
    };
    for (const digits of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1]]) {
      if (at(digits).length >= 2 && at(digits).length <= most) return at(digits).map((p) => [p, written(Number((10 ** p).toPrecision(2)))]);
    }
    const decades = at([1]);
    if (decades.length > most) {
      const every = Math.ceil(decades.length / most);
      return decades.filter((_, i) => i % every === 0).map((p) => [p, written(Number((10 ** p).toPrecision(2)))]);
    }
    // Zoomed in below one round value: round values of the axis itself.
    return axisTicks([10 ** low, 10 ** high], false, whole, most).filter(([v]) => v > 0).map(([v, name]) => [Math.log10(v), name]);
  }
  const rough = (high - low) / Math.max(1, most);
  const decade = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * decade).find((s) => s >= rough) || rough;
  if (whole) step = Math.max(1, step);
  const found = [];
  for (let n = Math.ceil(low / step); n <= Math.floor(high / step); n += 1) {
    const v = Number((n * step).toPrecision(12)) + 0;
    found.push([v, Math.abs(v) >= 1e4 && Number.isInteger(v) && v < 1e7 ? grouped(v) : written(v)]);
  }
  return found;
}

let panelCharts = 0;

function panelsChart(root, data) {
  // One entry of the legend per name, for the lines of all panels.
  const names = [...new Map(data.panels.flatMap((p) => p.lines.filter((l) => l.label)).map((l) => [l.label, l])).values()];
  const hidden = new Set();
  const box = element("div", { class: "pair" }, root);
  const charts = data.panels.map((panel) => onePanel(box, panel, data, hidden, root.dataset.name));
  const controls = element("div", { class: "controls legend" }, root);
  if (names.length > 1) {
    for (const line of names) {
      const label = element("label", {}, controls);
      const input = element("input", { type: "checkbox" }, label);
      input.checked = true;
      const mark = element("svg", { width: 26, height: 12, "aria-hidden": "true" }, label);
      // Of lines in several colours the mark has none.
      const many = data.panels.some((p) => p.lines.some((l) => l.label === line.label && l.colour !== line.colour));
      stroke(mark, many ? { ...line, colour: "var(--fg)" } : line, line.style === "points" ? "M13 6h0" : "M2 6H24");
      typeset(element("span", {}, label), line.label);
      input.addEventListener("change", () => {
        if (input.checked) hidden.delete(line.label); else hidden.add(line.label);
        charts.forEach((c) => c.draw());
      });
    }
  }
  const buttons = element("span", { class: "end" }, controls);
  const button = (name, act) => element("button", { type: "button" }, buttons, name).addEventListener("click", () => charts.forEach(act));
  button("zoom in", (c) => c.zoom(0.5));
  button("zoom out", (c) => c.zoom(2));
  button("whole", (c) => c.whole());
}

/** One line of a chart, or its mark in the legend. */
function stroke(parent, line, d) {
  const dots = line.style === "points";
  const path = element("path", { d, fill: "none", "stroke-width": dots ? 6 : 2, "stroke-linecap": "round", "stroke-linejoin": "round" }, parent);
  path.style.stroke = line.colour;
  if (line.style === "dashed") path.setAttribute("stroke-dasharray", "7 5");
  return path;
}

function onePanel(box, panel, data, hidden, name) {
  const plate = element("div", { class: "plate" }, box);
  const svg = element("svg", { class: "chart", role: "img", tabindex: "0", "aria-label": `${name}: ${panel.title}; arrow keys read values, plus and minus zoom` }, plate);
  const clip = `inside-${(panelCharts += 1)}`;
  const base = element("g", {}, svg);
  const over = element("g", {}, svg);
  const tip = element("div", { class: "tip", hidden: "", role: "status" }, plate);
  const place = [0, 1].map((i) => (v) => (v === null ? NaN : panel.log[i] ? Math.log10(v) : v));
  const value = (at, i) => (panel.log[i] ? 10 ** at : at);
  const lines = panel.lines.map((l) => ({ ...l, at: data.xs[l.x].map((x, j) => [place[0](x), place[1](l.y[j])]) }));
  const band = panel.band[0].map((x, j) => [place[0](x), place[1](panel.band[1][j]), place[1](panel.band[2][j])]);
  let view = null; // [[x0, x1], [y0, y1]] that the reader chose
  let frame = null;
  let chosen = null; // place on the x axis of the values that are shown

  function extent() {
    const points = lines.flatMap((l) => l.at).filter((p) => Number.isFinite(p[0]) && Number.isFinite(p[1]));
    const edges = band.flatMap((b) => (panel.log[1] ? [b[2]] : [b[1], b[2]])).filter(Number.isFinite);
    const levels = panel.levels.map(([v]) => place[1](v)).filter(Number.isFinite);
    const range = (all) => {
      if (all.length === 0) return [0, 1];
      const [low, high] = all.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
      const margin = high > low ? 0.05 * (high - low) : 0.5 * Math.max(1, Math.abs(high));
      return [low - margin, high + margin];
    };
    return [range(points.map((p) => p[0])), range([...points.map((p) => p[1]), ...edges, ...levels])];
  }

  function draw() {
    const width = plate.clientWidth;
    if (width === 0) return; // folded: drawn once it is opened
    const height = width < 420 ? 320 : 400;
    const [left, right, top, bottom] = [66, width - 14, 40, height - 48];
    const [xs, ys] = view || extent();
    const x = (at) => left + ((at - xs[0]) / (xs[1] - xs[0])) * (right - left);
    const y = (at) => bottom - ((at - ys[0]) / (ys[1] - ys[0])) * (bottom - top);
    frame = { width, height, left, right, top, bottom, xs, ys, x, y };
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    base.replaceChildren();
    const text = (attributes, content) => typeset(element("text", attributes, base), content);
    text({ x: left, y: 24, class: "heading" }, panel.title);
    for (const [at, label] of axisTicks(xs, panel.log[0], panel.whole[0], Math.max(2, Math.floor((right - left) / 68)))) {
      element("path", { class: "grid", d: `M${x(at)} ${top}V${bottom}` }, base);
      text({ x: x(at), y: bottom + 18, "text-anchor": "middle" }, label);
    }
    for (const [at, label] of axisTicks(ys, panel.log[1], panel.whole[1], 8)) {
      element("path", { class: "grid", d: `M${left} ${y(at)}H${right}` }, base);
      text({ x: left - 7, y: y(at) + 4, "text-anchor": "end" }, label);
    }
    element("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }, base);
    text({ x: (left + right) / 2, y: height - 10, "text-anchor": "middle" }, panel.x);
    text({ x: 15, y: (top + bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 15 ${(top + bottom) / 2})` }, panel.y);
    element("rect", { x: left, y: top, width: right - left, height: bottom - top }, element("clipPath", { id: clip }, base));
    const inside = element("g", { "clip-path": `url(#${clip})` }, base);
    if (band.length > 0 && !(lines[0] && hidden.has(lines[0].label))) {
      const edge = (at, j) => `${x(at[0]).toFixed(1)} ${(Number.isFinite(at[j]) ? y(at[j]) : bottom).toFixed(1)}`;
      const d = `M${[...band.map((b) => edge(b, 1)), ...band.slice().reverse().map((b) => edge(b, 2))].join("L")}Z`;
      const fill = element("path", { d, opacity: 0.2 }, inside);
      fill.style.fill = lines[0] ? lines[0].colour : "var(--c0)";
    }
    for (const line of lines) {
      if (hidden.has(line.label)) continue;
      let d = "";
      let run = 0;
      for (const at of line.at) {
        if (!Number.isFinite(at[0]) || !Number.isFinite(at[1])) { run = 0; continue; }
        const here = `${x(at[0]).toFixed(1)} ${y(at[1]).toFixed(1)}`;
        d += line.style === "points" || run === 0 ? `M${here}h0` : `L${here}`;
        run += 1;
      }
      stroke(inside, line, d);
    }
    const heights = panel.levels.map(([v]) => y(place[1](v)));
    for (const [v, label] of panel.levels) {
      const at = y(place[1](v));
      if (!(at >= top && at <= bottom)) continue;
      element("path", { class: "level", d: `M${left} ${at}H${right}` }, base);
      // Below its own line, where the next above is so near that both names would lie on each other.
      const below = heights.some((other) => other < at && at - other < 14);
      text({ x: left + 6, y: at + (below ? 14 : -4) }, label);
    }
    if (chosen !== null) show(chosen);
  }

  /** Marks the values nearest to a place of the x axis. */
  function show(at) {
    over.replaceChildren();
    chosen = at;
    const { x, y, left, right, top, bottom, xs, ys } = frame;
    const shown = lines.filter((l) => !hidden.has(l.label));
    const all = shown.flatMap((l) => l.at.map((p) => p[0])).filter((p) => p >= xs[0] && p <= xs[1]);
    tip.hidden = all.length === 0;
    if (tip.hidden) return;
    const nearest = all.reduce((a, b) => (Math.abs(b - at) < Math.abs(a - at) ? b : a));
    const reach = 12 * ((xs[1] - xs[0]) / (right - left)); // of lines with other places: those within 12 pixels
    const said = [`${panel.x.replace(/ \(.*/, "")}: ${written(value(nearest, 0))}`];
    element("path", { class: "limit", d: `M${x(nearest)} ${top}V${bottom}` }, over);
    for (const line of shown) {
      const near = line.at.filter((p) => Number.isFinite(p[1])).reduce((a, b) => (a === null || Math.abs(b[0] - nearest) < Math.abs(a[0] - nearest) ? b : a), null);
      if (near === null || Math.abs(near[0] - nearest) > reach) continue;
      said.push(`${line.label || panel.y.replace(/ \(.*/, "")}: ${written(value(near[1], 1))}`);
      if (near[1] >= ys[0] && near[1] <= ys[1]) element("circle", { cx: x(near[0]), cy: y(near[1]), r: 4, fill: line.colour }, over).style.fill = line.colour;
    }
    tip.textContent = said.join("\n");
    tip.style.left = `${x(nearest) > (left + right) / 2 ? Math.max(0, x(nearest) - tip.offsetWidth - 12) : x(nearest) + 12}px`;
    tip.style.top = `${top + 6}px`;
  }
  const hide = () => { over.replaceChildren(); tip.hidden = true; chosen = null; };

  const zoom = (factor) => {
    if (!frame) return;
    const part = ([a, b]) => [(a + b) / 2 - (factor * (b - a)) / 2, (a + b) / 2 + (factor * (b - a)) / 2];
    view = [part(frame.xs), part(frame.ys)];
    draw();
  };
  const whole = () => { view = null; draw(); };

  // A part is chosen by dragging over it.
  let from = null;
  const at = (e) => {
    const b = svg.getBoundingClientRect();
    return [((e.clientX - b.left) / b.width) * frame.width, ((e.clientY - b.top) / b.height) * frame.height];
  };
  const inAxes = ([px, py]) => [Math.min(Math.max(px, frame.left), frame.right), Math.min(Math.max(py, frame.top), frame.bottom)];
  svg.addEventListener("pointerdown", (e) => { if (e.button === 0 && frame) { from = inAxes(at(e)); if (e.pointerType === "mouse") svg.setPointerCapture(e.pointerId); } });
  svg.addEventListener("pointermove", (e) => {
    if (!frame) return;
    const [px, py] = inAxes(at(e));
    if (from && Math.hypot(px - from[0], py - from[1]) > 8 && e.pointerType === "mouse") {
      hide();
      element("rect", { class: "part", x: Math.min(px, from[0]), y: Math.min(py, from[1]), width: Math.abs(px - from[0]), height: Math.abs(py - from[1]) }, over);
    } else show(frame.xs[0] + ((px - frame.left) / (frame.right - frame.left)) * (frame.xs[1] - frame.xs[0]));
  });
  svg.addEventListener("pointerup", (e) => {
    if (!from || !frame) return;
    const [a, b] = [from, inAxes(at(e))];
    from = null;
    if (e.pointerType !== "mouse" || Math.abs(a[0] - b[0]) < 8 || Math.abs(a[1] - b[1]) < 8) return;
    const span = (p, q, low, high, [v0, v1]) => [Math.min(p, q), Math.max(p, q)].map((v) => v0 + ((v - low) / (high - low)) * (v1 - v0));
    const ys = span(frame.bottom - a[1], frame.bottom - b[1], 0, frame.bottom - frame.top, frame.ys);
    view = [span(a[0], b[0], frame.left, frame.right, frame.xs), ys];
    hide();
    draw();
  });
  svg.addEventListener("pointercancel", () => { from = null; hide(); });
  svg.addEventListener("pointerleave", () => { if (!from) hide(); });
  svg.addEventListener("dblclick", whole);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (e) => {
    if (!frame) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (moves[e.key]) {
      const all = [...new Set(lines.filter((l) => !hidden.has(l.label)).flatMap((l) => l.at.map((p) => p[0])))];
      const inside = all.filter((p) => p >= frame.xs[0] && p <= frame.xs[1]).sort((a, b) => a - b);
      if (inside.length === 0) return;
      const now = chosen === null ? -1 : inside.findIndex((p) => p >= chosen - 1e-12);
      show(inside[Math.min(Math.max(now + moves[e.key], 0), inside.length - 1)]);
    } else if (e.key === "+" || e.key === "=") zoom(0.5);
    else if (e.key === "-") zoom(2);
    else if (e.key === "Escape" || e.key === "0") { hide(); whole(); } else return;
    e.preventDefault();
  });
  new ResizeObserver(() => { if (!frame || Math.abs(frame.width - plate.clientWidth) > 1) requestAnimationFrame(draw); }).observe(plate);
  return { draw, zoom, whole };
}
