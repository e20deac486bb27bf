// A pair of surfaces over two directions that turn and zoom together, with a slider over the prefix size k. Quads are
// painted from the back to the front on a plain canvas: a height field needs no more, and no graphics card.
"use strict";

// Viridis at nine places (Smith & van der Walt 2015): grows in lightness, safe for colour-blind readers.
const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

function viridis(fraction, shade) {
  const place = Math.min(Math.max(fraction, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mix = (c) => Math.round((VIRIDIS[below][c] + (place - below) * (VIRIDIS[below + 1][c] - VIRIDIS[below][c])) * shade);
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

const START = { yaw: -0.65, pitch: 0.5, zoom: 1 };

/** One surface on its canvas. `view` is shared by the pair; `heights(m)` are G × G values at the m-th prefix size. */
class Surface {
  constructor(canvas, axis, unit, view) {
    Object.assign(this, { canvas, axis, unit, view, g: axis.length, log: false });
    this.tip = element("div", { class: "tip", hidden: "" }, canvas.parentElement);
  }

  /** Sets the heights and the range of the vertical axis. */
  set(heights, low, high, log) {
    this.heights = heights;
    this.log = log;
    this.low = log ? Math.log10(Math.max(low, high * 1e-12, 1e-300)) : low;
    this.high = log ? Math.log10(Math.max(high, 1e-300)) : high;
    if (!(this.high > this.low)) this.high = this.low + 1;
  }

  fraction(value) {
    const v = this.log ? Math.log10(Math.max(value, 1e-300)) : value;
    return Math.min(Math.max((v - this.low) / (this.high - this.low), 0), 1);
  }

  /** A point of the unit cube on the canvas: x, y in pixels and depth, larger is nearer. */
  project(a, b, h) {
    const { yaw, pitch, zoom } = this.view;
    const [x, y, z] = [2 * a - 1, 2 * b - 1, 1.1 * (h - 0.5)];
    const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
    const [right, into] = [x * c - y * s, x * s + y * c];
    const up = z * Math.cos(pitch) + into * Math.sin(pitch);
    const depth = z * Math.sin(pitch) - into * Math.cos(pitch);
    const size = this.scale * zoom * (1 + 0.12 * depth);
    return [this.cx + right * size, this.cy - up * size, depth];
  }

  draw() {
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const width = this.canvas.clientWidth;
    const height = Math.round(Math.min(Math.max(width * 0.8, 260), 440));
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.height = `${height}px`;
    const ink = this.canvas.getContext("2d");
    this.ink = ink;
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(this, { width, height, cx: (width - 40) / 2, cy: height / 2 - 4, scale: Math.min(width - 90, height * 1.15) / 3.15 });
    ink.fillStyle = styled("--plate");
    ink.fillRect(0, 0, width, height);
    ink.font = '12.5px system-ui, "Noto Sans", sans-serif';
    ink.lineJoin = "round";
    this.drawBox();
    this.drawQuads();
    this.drawMinimiser();
    this.drawBar();
  }

  /** The two far walls and the floor with their grid, and the ticks along the near edges. */
  drawBox() {
    const { ink } = this;
    const [fg, line] = [styled("--fg"), styled("--line")];
    // Where the depth of an edge is smaller, it is the far one.
    const farA = this.project(0, 0.5, 0)[2] < this.project(1, 0.5, 0)[2] ? 0 : 1;
    const farB = this.project(0.5, 0, 0)[2] < this.project(0.5, 1, 0)[2] ? 0 : 1;
    const stroke = (points) => {
      ink.beginPath();
      points.forEach((p, i) => { const [x, y] = this.project(...p); if (i) ink.lineTo(x, y); else ink.moveTo(x, y); });
      ink.stroke();
    };
    ink.strokeStyle = line;
    ink.lineWidth = 1;
    for (let i = 0; i <= 4; i += 1) {
      const t = i / 4;
      stroke([[t, 0, 0], [t, 1, 0]]);
      stroke([[0, t, 0], [1, t, 0]]);
      stroke([[farA, t, 0], [farA, t, 1]]);
      stroke([[t, farB, 0], [t, farB, 1]]);
      stroke([[farA, 0, t], [farA, 1, t]]);
      stroke([[0, farB, t], [1, farB, t]]);
    }
    ink.fillStyle = fg;
    const [first, last] = [this.axis[0], this.axis[this.g - 1]];
    const label = (p, q, text, push) => {
      const [x, y] = this.project(...p);
      const [ox, oy] = this.project(...q);
      const length = Math.hypot(x - ox, y - oy) || 1;
      const [dx, dy] = [(x - ox) / length, (y - oy) / length];
      ink.textAlign = dx > 0.35 ? "left" : dx < -0.35 ? "right" : "center";
      ink.textBaseline = dy > 0.35 ? "top" : dy < -0.35 ? "bottom" : "middle";
      ink.fillText(text, x + dx * push, y + dy * push);
    };
    for (const t of [0, 0.5, 1]) {
      const value = short(first + t * (last - first));
      label([t, 1 - farB, 0], [t, farB, 0], value, 8);
      label([1 - farA, t, 0], [farA, t, 0], value, 8);
    }
    label([0.75, 1 - farB, 0], [0.75, farB, 0], "θ₁", 16);
    label([1 - farA, 0.75, 0], [farA, 0.75, 0], "θ₂", 16);
  }

  drawQuads() {
    const { ink, g, heights } = this;
    const points = new Array(g * g);
    for (let a = 0; a < g; a += 1) {
      for (let b = 0; b < g; b += 1) points[a * g + b] = this.project(a / (g - 1), b / (g - 1), this.fraction(heights[a * g + b]));
    }
    this.points = points;
    const down = this.project(0, 0.5, 0)[2] < this.project(1, 0.5, 0)[2];
    const across = this.project(0.5, 0, 0)[2] < this.project(0.5, 1, 0)[2];
    const step = 1.1 * (g - 1) / 2;
    const every = Math.max(1, Math.round((g - 1) / 20));
    const mesh = "rgba(10,10,20,.24)"; // darker than every colour of the map
    for (let i = 0; i < g - 1; i += 1) {
      const a = down ? i : g - 2 - i;
      for (let j = 0; j < g - 1; j += 1) {
        const b = across ? j : g - 2 - j;
        const corners = [a * g + b, (a + 1) * g + b, (a + 1) * g + b + 1, a * g + b + 1];
        const f = corners.map((c) => this.fraction(heights[c]));
        // Lambert's law, light from the upper left of the plane.
        const slopeA = (f[1] + f[2] - f[0] - f[3]) * 0.5 * step;
        const slopeB = (f[2] + f[3] - f[0] - f[1]) * 0.5 * step;
        const light = (1 + 0.45 * slopeA + 0.3 * slopeB) / Math.sqrt(1 + slopeA * slopeA + slopeB * slopeB) / 1.14;
        const shade = 0.68 + 0.32 * Math.min(Math.max(light, 0), 1.1);
        const colour = viridis((f[0] + f[1] + f[2] + f[3]) / 4, shade);
        ink.beginPath();
        corners.forEach((c, n) => { if (n) ink.lineTo(points[c][0], points[c][1]); else ink.moveTo(points[c][0], points[c][1]); });
        ink.closePath();
        ink.fillStyle = colour;
        ink.fill();
        ink.strokeStyle = colour; // closes the seams
        ink.lineWidth = 0.7;
        ink.stroke();
        ink.strokeStyle = mesh;
        ink.lineWidth = 0.8;
        const edge = (p, q) => { ink.beginPath(); ink.moveTo(points[p][0], points[p][1]); ink.lineTo(points[q][0], points[q][1]); ink.stroke(); };
        if (a % every === 0) edge(corners[0], corners[3]);
        if (b % every === 0) edge(corners[0], corners[1]);
      }
    }
  }

  /** θ = 0 is w*. */
  drawMinimiser() {
    if (this.g % 2 === 0) return;
    const { ink } = this;
    const [x, y] = this.points[(this.g * this.g - 1) / 2];
    ink.beginPath();
    ink.arc(x, y, 4, 0, 7);
    ink.fillStyle = "#fff";
    ink.fill();
    ink.strokeStyle = "#000";
    ink.lineWidth = 1.5;
    ink.stroke();
  }

  drawBar() {
    const { ink, width, height } = this;
    const [x, top, tall] = [width - 62, 34, height - 68];
    for (let i = 0; i < tall; i += 1) {
      ink.fillStyle = viridis(1 - i / tall, 1);
      ink.fillRect(x, top + i, 10, 1.5);
    }
    ink.fillStyle = styled("--fg");
    ink.textAlign = "left";
    ink.textBaseline = "middle";
    for (const t of [0, 0.5, 1]) {
      const v = this.low + t * (this.high - this.low);
      ink.fillText(short(this.log ? 10 ** v : v), x + 14, top + tall * (1 - t));
    }
    ink.textAlign = "right";
    ink.fillText(this.unit, width - 8, 14);
  }

  /** The value at the grid point under the pointer. */
  point(px, py) {
    let best = -1;
    let distance = 14 ** 2;
    this.points.forEach(([x, y, depth], i) => {
      const d = (x - px) ** 2 + (y - py) ** 2 - 20 * depth;
      if (d < distance) [best, distance] = [i, d];
    });
    this.tip.hidden = best < 0;
    if (best < 0) return;
    const [a, b] = [Math.floor(best / this.g), best % this.g];
    this.tip.textContent = `θ₁ = ${short(this.axis[a])}\nθ₂ = ${short(this.axis[b])}\n${short(this.heights[best])} ${this.unit}`;
    this.tip.style.left = `${px > this.width / 2 ? px - this.tip.offsetWidth - 12 : px + 12}px`;
    this.tip.style.top = `${Math.max(4, py + this.canvas.offsetTop - 30)}px`;
  }
}

function range(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

/** The pair of one landscape: L_k and its squared change. */
function surfacePair(root, data) {
  const n = data.axis.length ** 2;
  const arrays = { loss: unpack(data.loss, Float32Array), change: unpack(data.change, Float32Array) };
  const at = (kind, m) => arrays[kind].subarray(m * n, (m + 1) * n);
  const view = { ...START };
  const canvases = [...root.querySelectorAll("canvas")];
  const surfaces = [new Surface(canvases[0], data.axis, data.unit.loss, view), new Surface(canvases[1], data.axis, data.unit.squared, view)];
  const slider = root.querySelector("input[type=range]");
  const shown = root.querySelector("output");
  const said = root.querySelector("[aria-live]");
  const [common, log] = [root.querySelector(".common"), root.querySelector(".log")];
  let waiting = false;

  function draw() {
    waiting = false;
    surfaces.forEach((s) => s.draw());
  }
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };

  function choose() {
    const m = Number(slider.value);
    const k = data.sizes[m];
    const text = `k = ${grouped(k)}`;
    shown.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    root.dataset.k = k;
    const loss = range(at("loss", m));
    const change = range(at("change", m));
    const whole = (kind, own) => (common.checked ? range(arrays[kind]) : own);
    surfaces[0].set(at("loss", m), ...whole("loss", loss), false);
    surfaces[1].set(at("change", m), ...whole("change", change), log.checked);
    const step = data.step === 1 ? "one more sample" : `${data.step} more samples`;
    said.textContent = `At ${text}, the mean loss runs from ${short(loss[0])} to ${short(loss[1])} ${data.unit.loss}; ${step} would change it by at most ${short(Math.sqrt(change[1]))} ${data.unit.loss} (squared: ${short(change[1])} ${data.unit.squared}).`;
    canvases[0].setAttribute("aria-label", `Loss surface L_k over ${data.directions} at ${text}, from ${short(loss[0])} to ${short(loss[1])} ${data.unit.loss}. Arrow keys turn it, plus and minus zoom.`);
    canvases[1].setAttribute("aria-label", `Squared change of the loss over ${data.directions} at ${text}, up to ${short(change[1])} ${data.unit.squared}. Arrow keys turn it, plus and minus zoom.`);
    later();
  }

  function turn(yaw, pitch) {
    view.yaw += yaw;
    view.pitch = Math.min(Math.max(view.pitch + pitch, 0.02), Math.PI / 2);
    later();
  }
  function zoom(factor) {
    view.zoom = Math.min(Math.max(view.zoom * factor, 0.5), 6);
    later();
  }
  function reset() {
    Object.assign(view, START);
    later();
  }

  const pointers = new Map();
  canvases.forEach((canvas, i) => {
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      pointers.set(e.pointerId, [e.clientX, e.clientY]);
      surfaces[i].tip.hidden = true;
    });
    canvas.addEventListener("pointermove", (e) => {
      const before = pointers.get(e.pointerId);
      if (!before) {
        const box = canvas.getBoundingClientRect();
        surfaces[i].point(e.clientX - box.left, e.clientY - box.top);
        return;
      }
      const others = [...pointers.entries()].filter(([id]) => id !== e.pointerId).map(([, p]) => p);
      if (others.length > 0) {
        const far = ([x, y]) => Math.hypot(x - others[0][0], y - others[0][1]) || 1;
        zoom(far([e.clientX, e.clientY]) / far(before));
      } else turn((before[0] - e.clientX) * -0.009, (e.clientY - before[1]) * 0.007);
      pointers.set(e.pointerId, [e.clientX, e.clientY]);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (e) => pointers.delete(e.pointerId));
    canvas.addEventListener("pointerleave", () => { surfaces[i].tip.hidden = true; });
    // The wheel scrolls the page unless the surface was clicked, or Ctrl is held.
    canvas.addEventListener("wheel", (e) => {
      if (document.activeElement !== canvas && !e.ctrlKey) return;
      e.preventDefault();
      zoom(Math.exp(-e.deltaY * 0.0015));
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      const keys = { ArrowLeft: () => turn(-0.12, 0), ArrowRight: () => turn(0.12, 0), ArrowUp: () => turn(0, 0.08), ArrowDown: () => turn(0, -0.08), "+": () => zoom(1.15), "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), 0: reset };
      if (!keys[e.key]) return;
      e.preventDefault();
      keys[e.key]();
    });
  });
  const buttons = { ".in": () => zoom(1.25), ".out": () => zoom(0.8), ".left": () => turn(-0.26, 0), ".right": () => turn(0.26, 0), ".reset": reset };
  for (const [name, act] of Object.entries(buttons)) root.querySelector(name).addEventListener("click", act);
  const stills = root.querySelector(".stills");
  if (stills) stills.addEventListener("click", () => {
    const open = root.parentElement.classList.toggle("stills-shown");
    stills.setAttribute("aria-expanded", String(open));
  });
  let playing = null;
  const play = root.querySelector(".play");
  const stop = () => { clearInterval(playing); playing = null; play.textContent = "▶ play"; };
  play.addEventListener("click", () => {
    if (playing) return stop();
    play.textContent = "■ stop";
    if (Number(slider.value) === data.sizes.length - 1) slider.value = 0;
    playing = setInterval(() => {
      if (Number(slider.value) >= data.sizes.length - 1) return stop();
      slider.value = Number(slider.value) + 1;
      return choose();
    }, 350);
    return undefined;
  });
  slider.addEventListener("input", choose);
  common.addEventListener("change", choose);
  log.addEventListener("change", choose);
  new ResizeObserver(() => { if (canvases[0].clientWidth !== surfaces[0].width) later(); }).observe(canvases[0]);
  onTheme(later);
  choose();
}
