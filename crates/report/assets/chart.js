// Δ_k over k on logarithmic axes: values under the pointer, the law of the average over orders with its interval, and
// tolerance lines that can be dragged to read K off. One curve at a time, or several side by side.
"use strict";

/** V s / (k (k + s)): the average over orders. */
const law = (v, k, step) => (v * step) / (k * (k + step));

/** The smallest multiple of the step where the law is below the tolerance. */
function lawSize(v, step, tolerance) {
  const root = (Math.sqrt(step * step + (4 * v * step) / tolerance) - step) / 2;
  if (root > 2 ** 52) return root; // where k and k + 1 are one number
  let k = Math.max(1, Math.floor(root / step)) * step;
  while (k > step && law(v, k - step, step) < tolerance) k -= step;
  while (!(law(v, k, step) < tolerance)) k += step;
  return k;
}

/**
 * K of the measured curve (Definition 4): one step after the last prefix size whose Δ is not below the tolerance.
 * `stairs` holds the prefix sizes whose Δ exceeds all later ones; null if the last one exceeds.
 */
function measuredSize(curve, tolerance) {
  const { k, delta } = curve.stairs;
  let i = delta.length - 1;
  while (i >= 0 && delta[i] < tolerance) i -= 1;
  if (i < 0) return curve.first;
  return k[i] >= curve.last ? null : k[i] + curve.step;
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const power = (n) => "10" + String(n).replace(/./g, (c) => SUPERSCRIPT[c]);

function deltaChart(root, data) {
  const plate = root.querySelector(".plate");
  const svg = element("svg", { class: "chart", role: "group", "aria-label": data.label }, plate);
  const curvesLayer = element("g", { "aria-hidden": "true" }, svg);
  const hoverLayer = element("g", { "aria-hidden": "true" }, svg);
  const linesLayer = element("g", {}, svg);
  const tip = element("div", { class: "tip", hidden: "" }, plate);
  // The table of one experiment stands in a section of its own.
  const readingsTable = (data.many ? root : document.getElementById("readings")).querySelector(".readings");
  const table = readingsTable.querySelector("tbody");
  const said = root.querySelector("[aria-live]");
  const shown = { measured: true, law: true, band: true, theories: false };
  let visible = data.visible.slice();
  let tolerances = data.tolerances.map((value) => ({ value }));
  let frame;

  const chosen = () => visible.map((i) => data.curves[i]);
  const colour = (i) => styled(`--c${data.many ? i % 8 : 0}`);

  // Axes reach from the first prefix size to the K of the smallest tolerance, or N.
  function axes() {
    const width = Math.max(280, plate.clientWidth);
    const height = width < 520 ? 360 : 460;
    const margin = { left: 64, right: 14, top: 16, bottom: 46 };
    const curves = chosen();
    const least = Math.min(...tolerances.map((t) => t.value));
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const c of curves) {
      x0 = Math.min(x0, c.first);
      x1 = Math.max(x1, c.n_samples);
      if (tolerances.length > 0) x1 = Math.max(x1, Math.min(lawSize(c.variance, c.step, least) * 1.6, c.n_samples * 1e5));
      for (const d of c.delta) if (d > 0) [y0, y1] = [Math.min(y0, d), Math.max(y1, d)];
    }
    for (const t of tolerances) [y0, y1] = [Math.min(y0, t.value), Math.max(y1, t.value)];
    if (!(y0 <= y1)) [y0, y1] = [1e-12, 1]; // no change anywhere, and no tolerance
    const span = { x0: Math.log10(x0), x1: Math.log10(x1), y0: Math.log10(y0) - 0.4, y1: Math.log10(y1) + 0.3 };
    const inner = { w: width - margin.left - margin.right, h: height - margin.top - margin.bottom };
    const x = (k) => margin.left + ((Math.log10(k) - span.x0) / (span.x1 - span.x0)) * inner.w;
    const y = (d) => margin.top + ((span.y1 - Math.log10(d)) / (span.y1 - span.y0)) * inner.h;
    const kAt = (px) => 10 ** (span.x0 + ((px - margin.left) / inner.w) * (span.x1 - span.x0));
    const dAt = (py) => 10 ** (span.y1 - ((py - margin.top) / inner.h) * (span.y1 - span.y0));
    return { width, height, margin, inner, span, x, y, kAt, dAt };
  }

  const path = (ks, ds) => {
    let text = "";
    ks.forEach((k, i) => {
      if (ds[i] > 0) text += `${text ? "L" : "M"}${frame.x(k).toFixed(1)} ${frame.y(ds[i]).toFixed(1)}`;
    });
    return text;
  };

  function drawAxes() {
    const { width, height, margin, inner, span, x, y } = frame;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    const every = (low, high, most) => Math.max(1, Math.ceil((high - low) / most));
    const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
    const sx = every(span.x0, span.x1, inner.w / 60);
    for (let n = Math.ceil(span.x0); n <= span.x1; n += sx) {
      element("line", { class: "grid", x1: x(10 ** n), x2: x(10 ** n), y1: top, y2: bottom }, curvesLayer);
      element("text", { x: x(10 ** n), y: bottom + 18, "text-anchor": "middle" }, curvesLayer, power(n));
    }
    const sy = every(span.y0, span.y1, inner.h / 36);
    for (let n = Math.ceil(span.y0); n <= span.y1; n += sy) {
      element("line", { class: "grid", x1: left, x2: right, y1: y(10 ** n), y2: y(10 ** n) }, curvesLayer);
      element("text", { x: left - 7, y: y(10 ** n) + 4, "text-anchor": "end" }, curvesLayer, power(n));
    }
    element("rect", { class: "axis", x: left, y: top, width: inner.w, height: inner.h }, curvesLayer);
    const middle = left + inner.w / 2;
    element("text", { x: middle, y: height - 8, "text-anchor": "middle" }, curvesLayer, "prefix size k (samples)");
    const turned = `rotate(-90 14 ${top + inner.h / 2})`;
    typeset(element("text", { x: 14, y: top + inner.h / 2, "text-anchor": "middle", transform: turned }, curvesLayer), `Δ_k (${data.unit})`);
  }

  function drawCurves() {
    // Nothing is drawn outside the axes.
    const clip = element("clipPath", { id: "inside-axes" }, curvesLayer);
    const { margin, inner } = frame;
    element("rect", { x: margin.left, y: margin.top, width: inner.w, height: inner.h }, clip);
    const inside = element("g", { "clip-path": "url(#inside-axes)" }, curvesLayer);
    const logs = (a, b, n) => Array.from({ length: n + 1 }, (_, i) => 10 ** (a + ((b - a) * i) / n));
    for (const i of visible) {
      const c = data.curves[i];
      const stroke = colour(i);
      const line = { fill: "none", stroke, "stroke-width": 2, "stroke-linejoin": "round" };
      const from = Math.log10(c.first);
      if (shown.band && c.low && !data.many) {
        const up = path(c.k, c.high);
        const down = path(c.k.slice().reverse(), c.low.map((d, j) => Math.max(d, 10 ** frame.span.y0)).reverse());
        element("path", { d: `${up}${down.replace("M", "L")}Z`, fill: stroke, opacity: 0.22, class: "band" }, inside);
      }
      if (shown.measured) element("path", { ...line, d: path(c.k, c.delta), class: "measured" }, inside);
      if (shown.law) {
        const ks = logs(from, frame.span.x1, 80);
        const of = (v) => ks.map((k) => law(v, k, c.step));
        const dashed = { ...line, stroke: data.many ? stroke : styled("--c1"), "stroke-dasharray": "8 4", class: "law" };
        element("path", { ...dashed, d: path(ks, of(c.variance)) }, inside);
        if (shown.band && c.variance_low > 0) {
          const band = path(ks, of(c.variance_high)) + path(ks.slice().reverse(), of(c.variance_low).reverse()).replace("M", "L");
          element("path", { d: `${band}Z`, fill: dashed.stroke, opacity: 0.25, class: "band" }, inside);
        }
      }
      if (shown.theories) {
        (c.theories || []).forEach((t, j) => {
          const stroke = styled(`--c${t.colour}`);
          if (t.k.length <= 60) {
            t.k.forEach((k, m) => t.delta[m] > 0 && element("circle", { cx: frame.x(k), cy: frame.y(t.delta[m]), r: 3, fill: stroke }, inside));
          } else element("path", { ...line, "stroke-width": 1.5, stroke, d: path(t.k, t.delta) }, inside);
        });
      }
      if (!data.many) {
        const at = frame.x(c.n_samples);
        element("line", { class: "limit", x1: at, x2: at, y1: frame.margin.top, y2: frame.height - frame.margin.bottom }, inside);
        element("text", { x: at - 5, y: frame.margin.top + 15, "text-anchor": "end" }, inside, `N = ${grouped(c.n_samples)}`);
      }
    }
  }

  function legend() {
    const box = root.querySelector(".legend");
    box.replaceChildren();
    const some = (c) => (c.theories || []).length > 0;
    const names = { measured: data.many ? "measured, one order (solid)" : "measured, one order", law: data.many ? "average over orders (dashed)" : "average over orders", band: "intervals (shaded)" };
    if (!data.many && chosen().some(some)) names.theories = "theories";
    for (const [key, name] of Object.entries(names)) {
      const label = element("label", {}, box);
      const input = element("input", { type: "checkbox" }, label);
      input.checked = shown[key];
      input.addEventListener("change", () => { shown[key] = input.checked; draw(); });
      const mark = data.many ? null : { measured: ["solid", "--c0"], law: ["dashed", "--c1"] }[key];
      if (mark) stroke(element("svg", { width: 26, height: 12, "aria-hidden": "true" }, label), { style: mark[0], colour: `var(${mark[1]})` }, "M2 6H24");
      label.append(name);
    }
    if (shown.theories && !data.many) {
      (chosen()[0].theories || []).forEach((t, j) => {
        element("span", { style: `color:${styled(`--c${t.colour}`)}` }, box, `— ${t.name}`);
      });
    }
  }

  const sizes = (c, tolerance) => {
    const size = (v) => lawSize(v, c.step, tolerance);
    const interval = c.variance_low > 0 ? [size(c.variance_low), size(c.variance_high)] : null;
    const k = size(c.variance);
    return { k, interval, reached: k <= c.last, measured: measuredSize(c, tolerance) };
  };
  const spoken = (c, s) => {
    const interval = s.interval ? ` [${grouped(s.interval[0])}, ${grouped(s.interval[1])}]` : "";
    return `${grouped(s.k)}${interval}${s.reached ? "" : " (beyond the samples at hand)"}`;
  };
  const order = (s) => (s.measured === null ? "not reached" : grouped(s.measured));

  /** Places line and row of one tolerance. */
  function place(t) {
    const { margin, width, y, x } = frame;
    const reading = chosen().map((c) => sizes(c, t.value));
    t.group.setAttribute("transform", `translate(0 ${y(t.value)})`);
    t.group.setAttribute("aria-valuenow", Math.log10(t.value).toFixed(3));
    t.group.setAttribute("aria-valuetext", `${short(t.value)} ${data.unit}, K = ${reading.map((r) => grouped(r.k)).join(" and ")} samples`);
    t.text.textContent = data.many ? `Δ < ${short(t.value)}` : `Δ < ${short(t.value)}: K = ${grouped(reading[0].k)}`;
    t.text.setAttribute("x", margin.left + 8);
    for (const part of [t.hit, t.mark]) {
      part.setAttribute("x1", margin.left);
      part.setAttribute("x2", width - margin.right);
    }
    t.knobs.replaceChildren();
    reading.forEach((r, i) => {
      const at = x(r.k);
      if (at > width - margin.right) return;
      const knob = element("circle", { class: "knob", cx: at, cy: 0, r: 6 }, t.knobs);
      if (data.many) knob.style.fill = colour(visible[i]);
    });
    if (document.activeElement !== t.input) t.input.value = short(t.value);
    t.cells.forEach((cell, i) => {
      const c = Math.floor(i / per);
      cell.textContent = i % per === 0 ? spoken(chosen()[c], reading[c]) : order(reading[c]);
    });
  }

  function say(t) {
    const all = chosen().map((c) => {
      const s = sizes(c, t.value);
      return data.many ? `${c.title}: K = ${spoken(c, s)}` : `K = ${spoken(c, s)} by the average over orders; in the one measured order ${order(s)}`;
    });
    said.textContent = `For Δ_k below ${short(t.value)} ${data.unit}: ${all.join(". ")}.`;
  }

  /** Two digits are as fine as a hand can place it. */
  const set = (t, value) => {
    if (!(value > 0) || !Number.isFinite(value)) return;
    t.value = value;
    place(t);
    say(t);
  };

  function addLine(t) {
    t.group = element("g", { class: "tolerance", role: "slider", tabindex: "0", "aria-orientation": "vertical", "aria-label": "tolerance", "aria-valuemin": "-30", "aria-valuemax": "10" }, linesLayer);
    t.hit = element("line", { class: "hit" }, t.group);
    t.mark = element("line", { class: "mark" }, t.group);
    t.text = element("text", { y: -6 }, t.group);
    t.knobs = element("g", {}, t.group);
    t.group.addEventListener("pointerdown", (e) => {
      e.preventDefault();
      t.group.focus();
      t.group.setPointerCapture(e.pointerId);
      t.drags = true;
    });
    t.group.addEventListener("pointermove", (e) => {
      if (!t.drags) return;
      const box = svg.getBoundingClientRect();
      const py = Math.min(Math.max(((e.clientY - box.top) / box.height) * frame.height, frame.margin.top), frame.height - frame.margin.bottom);
      set(t, Number(frame.dAt(py).toPrecision(2)));
    });
    const stop = () => { if (t.drags) { t.drags = false; draw(); } };
    t.group.addEventListener("pointerup", stop);
    t.group.addEventListener("pointercancel", stop);
    t.group.addEventListener("keydown", (e) => {
      const factors = { ArrowUp: 10 ** 0.1, ArrowDown: 10 ** -0.1, PageUp: 10, PageDown: 0.1 };
      if (factors[e.key]) set(t, Number((t.value * factors[e.key]).toPrecision(3)));
      else if ((e.key === "Delete" || e.key === "Backspace") && tolerances.length > 1) return remove(t);
      else return;
      e.preventDefault();
    });
    // A row for each tolerance of one curve; a column for each where there are several curves.
    const row = data.many ? null : element("tr", {}, table);
    const first = data.many ? element("th", { scope: "col" }, readingsTable.querySelector("thead tr")) : element("td", {}, row);
    t.input = element("input", { type: "text", inputmode: "decimal", "aria-label": `tolerance in ${data.unit}` }, first);
    t.input.addEventListener("change", () => { set(t, Number(t.input.value)); t.input.value = short(t.value); draw(); });
    t.cells = readings().map((_, i) => element("td", {}, row || table.rows[i]));
  }

  function remove(t) {
    tolerances = tolerances.filter((other) => other !== t);
    rebuild();
  }

  /** What the table says: of one curve K by the average over orders and that of the measured order, of several the former. */
  const per = data.many ? 1 : 2;
  const readings = () => (data.many ? chosen().map((c) => c.title) : ["K, average over orders [interval]", "K, one measured order (Definition 4)"]);

  /** Lines and table for the chosen curves. */
  function rebuild() {
    linesLayer.replaceChildren();
    table.replaceChildren();
    const head = readingsTable.querySelector("thead tr");
    head.replaceChildren();
    element("th", { scope: "col" }, head, data.many ? `K by the average over orders [interval], at a tolerance (${data.unit}) of` : `tolerance (${data.unit})`);
    for (const name of readings()) {
      if (data.many) element("td", {}, element("tr", {}, table), name);
      else element("th", { scope: "col" }, head, name);
    }
    tolerances.forEach(addLine);
    // Those of the mean loss at the draws are other numbers in each setting, and cannot be drawn as one line.
    for (const r of data.many ? [] : data.relative[visible[0]]) {
      const row = element("tr", {}, table);
      for (const cell of [r.tolerance, r.average, r.one]) element("td", {}, row, cell);
    }
    draw();
  }

  function draw() {
    frame = axes();
    curvesLayer.replaceChildren();
    drawAxes();
    drawCurves();
    legend();
    tolerances.forEach(place);
  }

  svg.addEventListener("pointermove", (e) => {
    const box = svg.getBoundingClientRect();
    const px = ((e.clientX - box.left) / box.width) * frame.width;
    const k = frame.kAt(px);
    hoverLayer.replaceChildren();
    const inside = px >= frame.margin.left && px <= frame.width - frame.margin.right;
    tip.hidden = !inside || tolerances.some((t) => t.drags);
    if (tip.hidden) return;
    const lines = [];
    for (const c of chosen()) {
      let nearest = 0;
      c.k.forEach((at, i) => { if (Math.abs(Math.log(at / k)) < Math.abs(Math.log(c.k[nearest] / k))) nearest = i; });
      const measured = k <= c.k[c.k.length - 1] * 1.02;
      const at = measured ? c.k[nearest] : Math.round(k / c.step) * c.step;
      if (data.many) lines.push(c.title);
      lines.push(`k = ${grouped(at)}`);
      if (measured) {
        const error = c.high ? ` ± ${short(c.high[nearest] - c.delta[nearest])}` : "";
        lines.push(`measured ${short(c.delta[nearest])}${error}`);
      }
      lines.push(`law ${short(law(c.variance, at, c.step))} ${data.unit}`);
      if (shown.theories) (c.theories || []).forEach((t) => {
        let i = 0;
        t.k.forEach((x, j) => { if (Math.abs(Math.log(x / k)) < Math.abs(Math.log(t.k[i] / k))) i = j; });
        lines.push(`${t.name} ${short(t.delta[i])}`);
      });
    }
    element("line", { class: "limit", x1: px, x2: px, y1: frame.margin.top, y2: frame.height - frame.margin.bottom }, hoverLayer);
    tip.textContent = lines.join("\n");
    const left = e.clientX - box.left;
    tip.style.left = `${left > box.width / 2 ? left - tip.offsetWidth - 14 : left + 14}px`;
    tip.style.top = `${Math.max(4, e.clientY - box.top - 20)}px`;
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; hoverLayer.replaceChildren(); });

  root.querySelector(".add").addEventListener("click", () => {
    // A tenth of the lowest, and the first one in the middle of the axis.
    const next = tolerances.length > 0 ? Math.min(...tolerances.map((t) => t.value)) / 10 : 10 ** ((frame.span.y0 + frame.span.y1) / 2);
    tolerances.push({ value: Number(next.toPrecision(2)) });
    rebuild();
    tolerances[tolerances.length - 1].group.focus();
  });

  // σ of the same directions, or another choice of directions.
  const families = root.querySelector("select.family");
  const sigmas = root.querySelector("select.sigma");
  if (families) {
    const key = (c) => c.family;
    const fill = (family, sigma) => {
      sigmas.replaceChildren();
      data.curves.forEach((c, i) => {
        if (key(c) === family) element("option", { value: i }, sigmas, short(c.sigma)).selected = c.sigma === sigma;
      });
    };
    for (const family of new Set(data.curves.map(key))) element("option", { value: family }, families, family);
    const first = data.curves[visible[0]];
    families.value = key(first);
    fill(key(first), first.sigma);
    const choose = () => { visible = [Number(sigmas.value)]; rebuild(); if (tolerances.length > 0) say(tolerances[0]); };
    families.addEventListener("change", () => { fill(families.value, data.curves[visible[0]].sigma); choose(); });
    sigmas.addEventListener("change", choose);
  }
  root.querySelectorAll(".choose input").forEach((box) => box.addEventListener("change", () => {
    const checked = [...root.querySelectorAll(".choose input:checked")].map((b) => Number(b.value));
    if (checked.length === 0) { box.checked = true; return; }
    visible = checked;
    rebuild();
  }));
  new ResizeObserver(() => { if (frame && Math.abs(frame.width - Math.max(280, plate.clientWidth)) > 1) draw(); }).observe(plate);
  onTheme(draw);
  rebuild();
}
