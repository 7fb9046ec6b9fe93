// The chart's surroundings: what its axes ask and how far they can be trusted, the legend, the log switch, saving.
{
  const WAY = { up: "higher is better", down: "lower is better", none: "describes, neither way is better" };
  const SIGNS = { good: "\u2713", partly: "\u25d0", bad: "\u2717", none: "\u2013" };

  // How far a metric can be trusted, as a chip; the advice unfolds.
  F.trustChip = (metric, testbed) => {
    const found = F.trust(metric, testbed);
    if (!found) return F.el("span", { class: "chip none" }, "\u2013 not certified");
    const state = SIGNS[found.state] ? found.state : "none";
    return F.el("span", { class: `chip ${state}`, title: `${found.advice || ""} (tried on ${found.testbed})` },
      `${SIGNS[state]} ${found.verdict}`, found.here ? "" : ` (on ${found.testbed})`);
  };

  const axisNote = (side, name) => {
    if (name.startsWith("@")) return F.el("div", { class: "axis-note" }, F.el("span", { class: "side" }, side), F.el("b", {}, F.axisName(name)));
    const record = F.metric(name);
    const found = F.trust(name, F.state.testbed);
    const more = [record.limits ? `It cannot tell: ${record.limits}` : "", record.chance ? `Chance: ${record.chance}.` : "",
      found && found.advice ? `Advice of its certificate on ${found.testbed}: ${found.advice}` : ""].filter(Boolean);
    return F.el(
      "div",
      { class: "axis-note" },
      F.el("span", { class: "side" }, side),
      F.el("b", {}, name),
      F.el("span", { class: "way" }, record.direction === "up" ? "\u2191 " : record.direction === "down" ? "\u2193 " : "", WAY[record.direction] || ""),
      F.trustChip(name, F.state.testbed),
      record.question ? F.el("p", {}, record.question) : null,
      more.length ? F.fold("What to know of it", more.map((text) => F.el("p", {}, text))) : null,
    );
  };

  // A button of the legend for each architecture; pressed means shown.
  const legend = (container) => {
    const counts = new Map();
    for (const one of F.here()) counts.set(one.arch, (counts.get(one.arch) || 0) + 1);
    const focused = container.contains(document.activeElement) ? document.activeElement.dataset.arch : null;
    container.replaceChildren(
      ...F.architectures.filter((arch) => counts.has(arch)).map((arch) =>
        F.el("button", {
          type: "button", class: "chip-button", "aria-pressed": String(!F.state.hidden.has(arch)), "data-arch": arch,
          title: "Show or hide; with Shift, show this one only",
          on: {
            click: (event) => {
              const hidden = new Set(F.state.hidden);
              if (event.shiftKey) {
                const others = [...counts.keys()].filter((name) => name !== arch);
                const alone = !hidden.has(arch) && others.every((name) => hidden.has(name));
                F.change({ hidden: new Set(alone ? [] : others) });
                return;
              }
              if (!hidden.delete(arch)) hidden.add(arch);
              F.change({ hidden });
            },
          },
        }, F.mark(arch), ` ${arch} `, F.el("small", {}, counts.get(arch)))),
    );
    const again = focused && [...container.children].find((button) => button.dataset.arch === focused);
    if (again) again.focus();
  };

  F.explorer = (container) => {
    const holder = F.el("div", { class: "chart" });
    const yNote = F.el("div");
    const xNote = F.el("div");
    const keys = F.el("div", { class: "legend", role: "group", "aria-label": "Architectures" });
    const log = F.el("button", { type: "button", class: "button", on: { click: () => F.change({ log: log.getAttribute("aria-pressed") !== "true" }) } }, "log x");
    const save = F.el("button", { type: "button", class: "button", on: { click: () => F.saveChart(F.chartSvg()) } }, "Save SVG");
    const status = F.el("span", { class: "quiet status" });
    container.append(
      F.el("div", { class: "legend-line" }, keys, F.el("span", { class: "tools" }, log, save)),
      yNote,
      holder,
      xNote,
      F.el("p", { class: "quiet hint" },
        "Point at a mark for its numbers; click it, or press Enter on it, for everything about that SAE. Arrow keys go from mark to mark. Thin lines are 95 % intervals. Hollow marks are checkpoints of training, joined to their run. ", status),
    );
    let width = 0;
    const draw = () => {
      const { n, log: on } = F.drawExplorer(holder);
      width = holder.clientWidth;
      const missing = F.shown().length - n;
      status.textContent = missing ? `${missing} results lack a value on one of the axes.` : "";
      log.setAttribute("aria-pressed", String(on));
    };
    const all = () => {
      draw();
      legend(keys);
      yNote.replaceChildren(axisNote("y", F.state.y));
      xNote.replaceChildren(axisNote("x", F.state.x));
    };
    F.onchange(all);
    all();
    new ResizeObserver(() => holder.clientWidth && holder.clientWidth !== width && draw()).observe(holder);
  };
}
