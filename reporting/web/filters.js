// What is shown: testbed, axes, group and filters, one state for the chart and the table, and the fields that set it.
{
  const FIRST_Y = ["coverage", "recovery_score", "edit_success_score", "reconstruction", "explained_variance_score"];
  const [PROXY, ALIKE] = ["explained_variance_score", 1.25]; // L0s that differ by a quarter at most say little
  const ABOUT = { "@width": "width (latents)", "@step": "training step" }; // axes that are no metrics
  const all = F.data.results;
  const listeners = [];

  F.axisName = (name) => ABOUT[name] || name;

  // What a result has on an axis: [value, low, high] or null; of one feature group if one is asked for.
  F.reading = (result, name, group = null) => {
    if (name === "@width") return F.known(result.width) ? [result.width, null, null] : null;
    if (name === "@step") return F.known(result.step) ? [result.step, null, null] : null;
    if (group === null) return result.metrics[name] && F.known(result.metrics[name][0]) ? result.metrics[name] : null;
    const row = ((result.groups || {})[name] || []).find(([index]) => index === group);
    return row && F.known(row[1]) ? row.slice(1) : null;
  };

  const counted = (values) => {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    return counts;
  };
  const testbeds = [...counted(all.map((one) => one.testbed)).entries()].sort((a, b) => b[1] - a[1]);

  F.state = {
    testbed: testbeds.length ? testbeds[0][0] : "",
    x: null,
    y: null,
    group: null,
    log: null, // null: as the metric suggests
    low: null,
    high: null,
    width: null,
    hidden: new Set(),
    finished: all.some((one) => one.step !== null) && all.some((one) => one.step === null),
    text: "",
  };

  // Results of the testbed that is chosen, whatever else is filtered.
  F.here = () => all.filter((one) => !F.state.testbed || one.testbed === F.state.testbed);

  // Results that pass all filters.
  F.shown = () => {
    const { low, high, width, hidden, finished } = F.state;
    const words = F.state.text.toLowerCase().split(/\s+/).filter(Boolean);
    return F.here().filter(
      (one) =>
        !hidden.has(one.arch) &&
        (low === null || (F.known(one.l0) && one.l0 >= low)) &&
        (high === null || (F.known(one.l0) && one.l0 <= high)) &&
        (width === null || one.width === width) &&
        (!finished || one.step === null) &&
        words.every((word) => `${one.name} ${one.arch} ${one.source || ""}`.toLowerCase().includes(word)),
    );
  };

  F.metricsHere = () => {
    const names = new Set();
    for (const one of F.here()) for (const [name, [value]] of Object.entries(one.metrics)) if (F.known(value)) names.add(name);
    return [...names];
  };

  // Along the bottom: the L0 as the papers draw it; where all have about the same, the proxy beside the truth.
  const firstX = (known, several) => {
    const sizes = F.here().map((one) => one.l0).filter((l0) => F.known(l0) && l0 > 0);
    const alike = sizes.length > 1 && Math.max(...sizes) < ALIKE * Math.min(...sizes);
    if (alike && known.includes(PROXY) && several(PROXY)) return PROXY;
    return known.includes("l0") ? "l0" : several("@width") ? "@width" : known[0];
  };

  // Axes that exist on this testbed; others give way to what a newcomer would look at first.
  const settle = () => {
    const known = F.metricsHere();
    const several = (name) => new Set(F.here().map((one) => (F.reading(one, name) || [null])[0])).size > 1;
    const axes = [...known, ...Object.keys(ABOUT).filter(several)];
    const { state } = F;
    if (!axes.includes(state.x)) state.x = firstX(known, several);
    if (!axes.includes(state.y)) {
      state.y = FIRST_Y.find((name) => known.includes(name)) || known.find((name) => name !== state.x) || known[0];
    }
    if (state.group !== null && !F.groupsHere(state.y).includes(state.group)) state.group = null;
    return axes;
  };

  F.groupsHere = (metric) => {
    const found = new Set();
    for (const one of F.here()) for (const [index] of (one.groups || {})[metric] || []) found.add(index);
    return [...found].sort((a, b) => a - b);
  };

  F.onchange = (listener) => listeners.push(listener);
  F.change = (changes) => {
    Object.assign(F.state, changes);
    settle();
    for (const listener of listeners) listener();
  };

  // Metrics as options of a select, by family.
  const metricOptions = (axes, chosen) => {
    const families = new Map();
    for (const name of axes) {
      const family = ABOUT[name] ? "about the SAE" : F.metric(name).family;
      if (!families.has(family)) families.set(family, []);
      families.get(family).push(name);
    }
    return [...families].map(([family, names]) =>
      F.el(
        "optgroup",
        { label: family },
        names.map((name) => F.el("option", { value: name, selected: name === chosen }, F.axisName(name))),
      ),
    );
  };

  const field = (label, control, wide = false) => {
    control.setAttribute("aria-label", label);
    return F.el("label", { class: wide ? "field wide" : "field" }, F.el("span", {}, label), control);
  };
  const listen = (control, event, change) => {
    control.addEventListener(event, () => F.change(change(control.value)));
    return control;
  };
  const number = (text) => (text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

  // The fields, and a line that says how much is shown.
  F.filters = (container) => {
    const parts = {
      testbed: listen(F.el("select"), "change", (testbed) => ({ testbed, width: null, low: null, high: null })),
      y: listen(F.el("select"), "change", (y) => ({ y })),
      group: listen(F.el("select"), "change", (group) => ({ group: group === "" ? null : Number(group) })),
      x: listen(F.el("select"), "change", (x) => ({ x, log: null })),
      low: listen(F.el("input", { type: "number", min: 0, step: "any" }), "input", (text) => ({ low: number(text) })),
      high: listen(F.el("input", { type: "number", min: 0, step: "any" }), "input", (text) => ({ high: number(text) })),
      width: listen(F.el("select"), "change", (width) => ({ width: width === "" ? null : Number(width) })),
      finished: listen(F.el("select"), "change", (which) => ({ finished: which === "finished" })),
      text: listen(F.el("input", { type: "search", placeholder: "part of a name" }), "input", (text) => ({ text })),
    };
    const count = F.el("p", { class: "count", role: "status" });
    const reset = F.el(
      "button",
      {
        type: "button",
        class: "button",
        on: {
          click: () => {
            parts.text.value = "";
            parts.low.value = "";
            parts.high.value = "";
            F.change({ low: null, high: null, width: null, hidden: new Set(), finished: false, text: "" });
          },
        },
      },
      "Show all",
    );
    const widthField = field("Width", parts.width);
    const stepField = field("Training", parts.finished);
    const groupField = field("Feature group", parts.group);
    const testbedField = field("Testbed", parts.testbed, true);
    container.append(
      F.el(
        "div",
        { class: "filters", role: "group", "aria-label": "What is shown" },
        testbeds.length > 1 ? testbedField : null,
        field("Up the side (y)", parts.y, true),
        groupField,
        field("Along (x)", parts.x, true),
        F.el(
          "div",
          { class: "field range", role: "group", "aria-label": "L0" },
          F.el("span", {}, "L0 from, to"),
          F.el("span", { class: "pair" }, parts.low, parts.high),
        ),
        widthField,
        stepField,
        field("Search", parts.text),
      ),
      F.el("div", { class: "counted" }, count, reset),
    );
    parts.low.setAttribute("aria-label", "L0 at least");
    parts.high.setAttribute("aria-label", "L0 at most");

    const options = (select, rows, chosen) =>
      select.replaceChildren(...rows.map(([value, text]) => F.el("option", { value, selected: value === chosen }, text)));
    const refresh = () => {
      const { state } = F;
      const axes = settle();
      const here = F.here();
      options(parts.testbed, [...testbeds.map(([name, n]) => [name, `${name} (${n})`]), ["", "all testbeds"]], state.testbed);
      parts.y.replaceChildren(...metricOptions(axes, state.y));
      parts.x.replaceChildren(...metricOptions(axes, state.x));
      const groups = F.groupsHere(state.y);
      const chosen = state.group === null ? "" : String(state.group);
      options(parts.group, [["", "all, averaged"], ...groups.map((i) => [String(i), F.data.groups[i]])], chosen);
      groupField.hidden = groups.length < 2;
      const widths = [...counted(here.map((one) => one.width).filter(F.known))].sort((a, b) => a[0] - b[0]);
      const width = state.width === null ? "" : String(state.width);
      options(parts.width, [["", "any"], ...widths.map(([w, n]) => [String(w), `${w.toLocaleString("en-US")} (${n})`])], width);
      widthField.hidden = widths.length < 2;
      stepField.hidden = here.every((one) => one.step === null);
      options(parts.finished, [["all", "with checkpoints"], ["finished", "finished only"]], state.finished ? "finished" : "all");
      const sparse = here.map((one) => one.l0).filter(F.known);
      if (sparse.length) {
        parts.low.placeholder = F.number(Math.min(...sparse));
        parts.high.placeholder = F.number(Math.max(...sparse));
      }
      const n = F.shown().length;
      const early = state.finished ? here.filter((one) => one.step !== null).length : 0;
      count.textContent =
        (n === here.length ? `${n} results` : `${n} of ${here.length} results`) +
        (early ? `, ${early} checkpoints of training left out` : "");
      reset.hidden = n === here.length;
    };
    F.onchange(refresh);
    refresh();
  };
  settle();
}
