// What all parts of the page share: the data, elements without markup, numbers, colours and shapes, tables.
//
// The files of this folder are put one after another into one function of their own (see reporting/page.py), so `F` is
// the only name they share. Text from the data reaches the page as text nodes alone: nothing here parses markup.

const F = {};
F.data = JSON.parse(document.getElementById("data").textContent);

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";
const DASH = "\u2013";
const MINUS = "\u2212";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

// An HTML element. `attributes.on` maps events to listeners; true is an empty attribute, false and null leave it out.
// Children are elements, lists of them, or anything else as text.
F.el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

// The same for SVG.
F.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);

F.empty = (element) => {
  element.replaceChildren();
  return element;
};

F.known = (x) => typeof x === "number" && Number.isFinite(x);

// A number as people read it: three decimals, fewer where it is large; a dash where there is none.
F.number = (x) => {
  if (!F.known(x)) return DASH;
  const size = Math.abs(x);
  let text;
  if (size >= 1e6) text = size.toExponential(2).replace("e+", "e");
  else if (size >= 1000) text = Math.round(size).toLocaleString("en-US");
  else if (size >= 10) text = size.toFixed(1);
  else if (size >= 0.001 || size === 0) text = size.toFixed(3);
  else text = size.toExponential(1).replace("-", MINUS);
  return x < 0 ? MINUS + text : text;
};

F.interval = (low, high) => (F.known(low) && F.known(high) ? `[${F.number(low)}, ${F.number(high)}]` : "no interval");

// The record of a metric; one that the catalogue does not know goes by its name.
F.metric = (name) =>
  F.data.metrics[name] || {
    question: "",
    direction: name.endsWith("_error") ? "down" : "up",
    low: null,
    high: null,
    family: "other",
    chance: "",
    limits: "",
    version: 1,
  };

F.testbed = (name) => F.data.testbeds[name] || { about: "", game: null, size: null, first_rank_on_top: false };

// Whether `a` is better than `b`; false where the metric only describes.
F.better = (name, a, b) => {
  const direction = F.metric(name).direction;
  if (!F.known(a) || !F.known(b) || direction === "none") return false;
  return direction === "down" ? a < b : a > b;
};

// Value and interval of a result: [value, low, high], or null.
F.value = (result, metric) => result.metrics[metric] || null;

// Floors and ceilings of a result: {floors: [[name, value, low, high]], ceilings, floor: the best one or null, ceiling}.
F.bounds = (result, metric) => {
  const found = (F.data.bounds[result.bounds] || {})[metric] || {};
  const listed = (by) => Object.entries(by || {}).map(([name, numbers]) => [name, ...numbers]);
  const best = (rows) =>
    rows.reduce((top, row) => {
      if (!F.known(row[1])) return top;
      const ahead = top && (F.metric(metric).direction === "down" ? row[1] < top[1] : row[1] > top[1]);
      return !top || ahead ? row : top;
    }, null);
  const floors = listed(found.floors);
  const ceilings = listed(found.ceilings);
  return { floors, ceilings, floor: best(floors), ceiling: best(ceilings) };
};

// The same of one feature group: {floor: [name, value] or null, ceiling}.
F.groupBounds = (result, metric, group) => {
  const found = (F.data.bounds[result.bounds] || {})[metric] || {};
  const best = (by) => {
    let top = null;
    for (const [name, groups] of Object.entries(by || {})) {
      const value = groups[group];
      if (!F.known(value)) continue;
      if (!top || (F.metric(metric).direction === "down" ? value < top[1] : value > top[1])) top = [name, value];
    }
    return top;
  };
  return { floor: best(found.group_floors), ceiling: best(found.group_ceilings) };
};

// 0 at the best floor, 1 at the best ceiling; null where there is no room between them.
F.rescaled = (result, metric) => {
  const own = F.value(result, metric);
  const { floor, ceiling } = F.bounds(result, metric);
  if (!own || !floor || !ceiling || !F.better(metric, ceiling[1], floor[1])) return null;
  const room = Math.abs(ceiling[1] - floor[1]);
  if (F.known(own[1]) && F.known(own[2]) && room < own[2] - own[1]) return null;
  return (own[0] - floor[1]) / (ceiling[1] - floor[1]);
};

// "*" better than the best floor beyond noise, "▼" worse beyond noise, "" within noise or nothing to tell by.
F.marker = (result, metric) => {
  const over = (result.over || {})[metric];
  if (!over || !F.known(over[1]) || !F.known(over[2]) || (over[1] <= 0 && over[2] >= 0)) return "";
  return (F.metric(metric).direction === "down" ? over[2] < 0 : over[1] > 0) ? "*" : "\u25bc";
};

F.result = (id) => F.data.results.find((result) => result.id === id) || null;

// How far a metric can be trusted: the verdict of its certificate, or null. The certificates' part of the page says how.
F.trust = () => null;

// Colours and shapes of architectures: both always, so that neither is needed to tell them apart.
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "plus", "hexagon", "star", "cross", "pentagon"];
const COLOURS = 8;
F.architectures = [...new Set(F.data.results.map((result) => result.arch))].sort((a, b) =>
  (a === "unknown") - (b === "unknown") || (a < b ? -1 : a > b ? 1 : 0));
const place = (arch) => Math.max(F.architectures.indexOf(arch), 0);
F.shape = (arch) => SHAPES[place(arch) % SHAPES.length];
F.colour = (arch) => (arch === "unknown" ? "var(--quiet)" : `var(--arch-${place(arch) % COLOURS})`);

const polygon = (n, turn, radius, inner) => {
  const corners = [];
  const steps = inner ? 2 * n : n;
  for (let i = 0; i < steps; i++) {
    const r = inner && i % 2 ? inner : radius;
    const angle = turn + (2 * Math.PI * i) / steps;
    corners.push(`${(r * Math.sin(angle)).toFixed(2)} ${(-r * Math.cos(angle)).toFixed(2)}`);
  }
  return `M${corners.join("L")}Z`;
};
const bars = (r, w) =>
  `M${-w} ${-r}H${w}V${-w}H${r}V${w}H${w}V${r}H${-w}V${w}H${-r}V${-w}H${-w}Z`;
const OUTLINES = {
  circle: (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  square: (r) => `M${-0.87 * r} ${-0.87 * r}H${0.87 * r}V${0.87 * r}H${-0.87 * r}Z`,
  triangle: (r) => polygon(3, 0, 1.25 * r),
  diamond: (r) => polygon(4, 0, 1.25 * r),
  down: (r) => polygon(3, Math.PI, 1.25 * r),
  plus: (r) => bars(1.1 * r, 0.4 * r),
  hexagon: (r) => polygon(6, 0, 1.08 * r),
  star: (r) => polygon(5, 0, 1.35 * r, 0.6 * r),
  cross: (r) => polygon(4, Math.PI / 4, 1.3 * r, 0.45 * r),
  pentagon: (r) => polygon(5, 0, 1.1 * r),
};

// Path data of a shape around (0, 0); areas are alike.
F.outline = (shape, radius) => OUTLINES[shape](radius);

// A small picture of an architecture's mark, to stand in text.
F.mark = (arch) =>
  F.svg(
    "svg",
    { class: "mark", viewBox: "-8 -8 16 16", width: 14, height: 14, "aria-hidden": "true" },
    F.svg("path", { d: F.outline(F.shape(arch), 5.5), fill: F.colour(arch) }),
  );

// A table that sorts by its headings and scrolls inside itself.
//
// headings  texts, or {text, title, label: element beside the text, words: true where cells are text,
//           first: "up" or "down"}
// rows      lists of cells: text, numbers, elements, or {show: any of these, sort: number or text, class};
//           a row may be {cells, on, class, key}
// options   {caption, sort: [column, "up" or "down"], onsort(column, way)}
F.table = (headings, rows, options = {}) => {
  const heads = headings.map((heading) => (typeof heading === "object" ? heading : { text: heading }));
  const body = F.el("tbody");
  const sortable = rows.length > 1;
  const key = (cell) => {
    const plain = cell !== null && typeof cell === "object" && !(cell instanceof Node) ? cell.sort : cell;
    return plain instanceof Node ? plain.textContent : plain;
  };
  const show = (cell, i) => {
    const whole = cell !== null && typeof cell === "object" && !(cell instanceof Node) && !Array.isArray(cell);
    const shown = whole ? cell.show : cell;
    const content = typeof shown === "number" ? F.number(shown) : shown === null || shown === undefined ? DASH : shown;
    const classes = [(whole && cell.class) || "", heads[i] && heads[i].words ? "words" : ""].join(" ").trim();
    return i === 0
      ? F.el("th", { scope: "row", class: classes || null }, content)
      : F.el("td", { class: classes || null }, content);
  };
  const lines = rows.map((row) => {
    const cells = Array.isArray(row) ? row : row.cells;
    const line = F.el("tr", { class: row.class, on: row.on || {} }, cells.map(show));
    return { line, keys: cells.map(key) };
  });
  const missing = (x) => x === null || x === undefined || x === "" || (typeof x === "number" && !Number.isFinite(x));
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const cells = heads.map((head, i) => {
    const inside = sortable
      ? F.el("button", { type: "button", title: head.title, on: { click: () => turn(i) } }, head.text)
      : F.el("span", { title: head.title }, head.text);
    return F.el("th", { scope: "col", class: head.words || i === 0 ? "words" : null }, inside, head.label);
  });
  let state = options.sort || null;
  const order = () => {
    const sorted = [...lines];
    if (state) {
      const [column, way] = state;
      sorted.sort((a, b) => {
        const [x, y] = [a.keys[column], b.keys[column]];
        if (missing(x) || missing(y)) return missing(x) - missing(y); // what is not known stands last, either way
        return way === "up" ? compare(x, y) : compare(y, x);
      });
    }
    cells.forEach((cell, i) => {
      if (state && state[0] === i) cell.setAttribute("aria-sort", state[1] === "up" ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
    body.replaceChildren(...sorted.map(({ line }) => line));
  };
  const turn = (i) => {
    const first = heads[i].first || (lines.some(({ keys }) => typeof keys[i] === "number") ? "down" : "up");
    state = [i, state && state[0] === i ? (state[1] === "up" ? "down" : "up") : first];
    order();
    if (options.onsort) options.onsort(...state);
  };
  order();
  const table = F.el(
    "table",
    { class: options.class },
    options.caption ? F.el("caption", {}, options.caption) : null,
    F.el("thead", {}, F.el("tr", {}, cells)),
    body,
  );
  return F.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": options.caption || "table" }, table);
};

// Something to read, folded away under its heading.
F.fold = (summary, ...children) => F.el("details", {}, F.el("summary", {}, summary), ...children);
