// The table of the results that the filters leave, its rows lead to each SAE; saving it, and the chart, as files.
{
  const FIRST = 30; // rows drawn at once; the others come when they are asked for
  const ALSO = ["coverage", "reconstruction", "recovery_score", "explained_variance_score", "legal_top1_score", "edit_success_score"];
  const chosen = new Set(); // for setting side by side
  let whole = false;
  let sort = null; // [text of the heading, "up" or "down"]: columns come and go with testbeds and axes

  const numbers = (reading, mark = "") =>
    reading
      ? { show: [F.number(reading[0]) + mark, " ", F.known(reading[1]) ? F.el("small", {}, F.interval(reading[1], reading[2])) : ""], sort: reading[0] }
      : { show: null, sort: null };
  const bound = (found) =>
    found ? { show: [F.number(found[1]), " ", F.el("small", {}, found[0])], sort: found[1] } : { show: null, sort: null };

  const row = (one, columns, compare) => {
    const { y, group } = F.state;
    const { floor, ceiling } = group === null ? F.bounds(one, y) : F.groupBounds(one, y, group);
    const box = F.el("input", {
      type: "checkbox", checked: chosen.has(one.id), "aria-label": `set ${one.name} beside another`,
      on: { change: (event) => {
        if (event.target.checked) chosen.add(one.id);
        else chosen.delete(one.id);
        compare();
      } },
    });
    const cells = [
      { show: F.el("span", { class: "named" }, box, F.mark(one.arch), F.el("a", { href: `#sae=${one.id}` }, one.name)), sort: one.name },
      one.arch,
      { show: F.number(one.l0), sort: one.l0 },
      { show: F.known(one.width) ? one.width.toLocaleString("en-US") : null, sort: one.width },
      numbers(F.reading(one, y, group), group === null ? F.marker(one, y) : ""),
      bound(floor),
      bound(ceiling),
      ...columns.map((name) => numbers(F.reading(one, name), F.marker(one, name))),
    ];
    return F.state.testbed ? cells : [cells[0], one.testbed, ...cells.slice(1)];
  };

  F.results = (container) => {
    const holder = F.el("div");
    const beside = F.el("button", { type: "button", class: "button", on: { click: () => F.open([...chosen]) } }, "Set side by side");
    const compare = () => {
      beside.disabled = chosen.size !== 2;
      beside.textContent = chosen.size === 2 ? "Set the 2 side by side" : chosen.size ? `${chosen.size} ticked: tick two` : "Tick two to set them side by side";
    };
    const save = F.el("button", { type: "button", class: "button", on: { click: saveTable } }, "Save CSV");
    container.append(F.el("div", { class: "tools no-print" }, beside, save), holder);
    const draw = () => {
      const { x, y, group } = F.state;
      const known = new Set(F.metricsHere());
      const columns = [...new Set([x, ...ALSO])].filter((name) => name !== y && name !== "l0" && known.has(name)).slice(0, 5);
      const titled = (name) => ({ text: name, title: F.metric(name).question });
      const label = group === null ? y : `${y}: ${F.data.groups[group]}`;
      const headings = [{ text: "SAE", words: true }, ...(F.state.testbed ? [] : [{ text: "testbed", words: true }]), { text: "architecture", words: true },
        "L0", "width", titled(label), "best floor", "best ceiling", ...columns.map(titled)];
      const names = headings.map((heading) => heading.text || heading);
      if (sort === null || !names.includes(sort[0])) sort = [label, F.metric(y).direction === "down" ? "up" : "down"];
      const at = names.indexOf(sort[0]);
      const shown = F.shown();
      const way = sort[1] === "up" ? 1 : -1;
      let rows = shown.map((one) => ({ one, cells: null }));
      if (shown.length > FIRST) {
        // sort before cutting, by what the column shows
        const keys = new Map(rows.map((line) => [line, keyOf(line.one, at, columns)]));
        const missing = (key) => key === null || key === undefined;
        rows.sort((a, b) => {
          const [p, q] = [keys.get(a), keys.get(b)];
          if (missing(p) || missing(q)) return missing(p) - missing(q);
          return way * (typeof p === "number" ? p - q : String(p).localeCompare(String(q), "en", { numeric: true }));
        });
        if (!whole) rows = rows.slice(0, FIRST);
      }
      const table = F.table(headings, rows.map(({ one }) => row(one, columns, compare)), {
        sort: [at, sort[1]], class: "results", caption: `${label} and other scores of ${shown.length} results`,
        onsort: (column, to) => {
          sort = [names[column], to];
          if (shown.length > FIRST && !whole) {
            draw();
            holder.querySelectorAll("thead button")[column].focus();
          }
        },
      });
      holder.replaceChildren(table);
      if (rows.length < shown.length) {
        holder.append(F.el("button", { type: "button", class: "button", on: { click: () => { whole = true; draw(); } } }, `Show all ${shown.length}`));
      }
      compare();
    };
    const keyOf = (one, column, columns) => {
      const { y, group } = F.state;
      const { floor, ceiling } = group === null ? F.bounds(one, y) : F.groupBounds(one, y, group);
      const first = (reading) => (reading ? reading[0] : null);
      const keys = [one.name, ...(F.state.testbed ? [] : [one.testbed]), one.arch, one.l0, one.width, first(F.reading(one, y, group)),
        floor && floor[1], ceiling && ceiling[1], ...columns.map((name) => first(F.reading(one, name)))];
      return keys[column];
    };
    let last = F.state.y;
    F.onchange(() => {
      if (last !== F.state.y) sort = null;
      last = F.state.y;
      draw();
    });
    draw();
  };

  const download = (name, text, type) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = F.el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // Every metric of the results that are shown, with interval, best floor and best ceiling.
  const saveTable = () => {
    const quote = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text; // a name is no formula
      return /[",;\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const lines = [["name", "testbed", "architecture", "l0", "width", "step", "metric", "value", "low", "high", "best_floor", "floor", "best_ceiling", "ceiling"]];
    for (const one of F.shown()) {
      for (const [metric, reading] of Object.entries(one.metrics)) {
        const { floor, ceiling } = F.bounds(one, metric);
        lines.push([one.name, one.testbed, one.arch, one.l0, one.width, one.step, metric, ...reading,
          ...(floor ? [floor[0], floor[1]] : ["", ""]), ...(ceiling ? [ceiling[0], ceiling[1]] : ["", ""])]);
      }
    }
    download("fiducial-results.csv", lines.map((line) => line.map(quote).join(",")).join("\n") + "\n", "text/csv");
  };

  const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "font", "text-anchor", "paint-order", "stroke-linejoin"];

  // The chart as a file of its own, with the colours that it has on the page.
  F.saveChart = (svg) => {
    if (!svg) return;
    const copy = svg.cloneNode(true);
    const [from, to] = [svg, copy].map((one) => [one, ...one.querySelectorAll("*")]);
    from.forEach((element, i) => {
      const style = getComputedStyle(element);
      to[i].setAttribute("style", STYLED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
    });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.style.background = getComputedStyle(document.body).backgroundColor;
    download("fiducial-chart.svg", new XMLSerializer().serializeToString(copy), "image/svg+xml");
  };
}
