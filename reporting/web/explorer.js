// The chart of all results: one mark a result, with its interval, best floors and best ceilings, and a tip.
{
  const REACH = 30; // pixels from the pointer to the mark that it means
  const FAR = 1.6; // bounds further away than so many times the range of the values lie beyond the edge
  let chart = null; // {svg, points, tip, ring} as drawn last

  const plain = (name) => name.replace(/ \([^)]*\)$/, ""); // "random dictionary (1024, L0 32)" and its likes are one kind

  // Best floors and ceilings of results on the y axis: {role, rows: [[value, name, result]]}.
  const boundsOf = (results, role) => {
    const { y, group } = F.state;
    const rows = [];
    for (const one of results) {
      const found = group === null ? F.bounds(one, y)[role] : F.groupBounds(one, y, group)[role];
      if (found && F.known(found[1])) rows.push([found[1], found[0], one]);
    }
    return rows;
  };

  const suggestsLog = (name, values) =>
    ["l0", "@width", "@step"].includes(name) && values.length > 1 && Math.min(...values) > 0 &&
    Math.max(...values) > 3 * Math.min(...values);

  const described = (one) =>
    [one.arch, F.known(one.l0) ? `L0 ${F.number(one.l0)}` : null, F.known(one.width) ? `${one.width.toLocaleString("en-US")} latents` : null,
      one.step === null ? null : `step ${one.step.toLocaleString("en-US")}`].filter(Boolean).join(" \u00b7 ");

  const said = (name, [value, low, high]) =>
    `${F.axisName(name)} ${F.number(value)}${F.known(low) ? ` ${F.interval(low, high)}` : ""}`;

  // What the tip says of a result.
  const told = (point) => {
    const { x, y, group } = F.state;
    const one = point.result;
    const { floor, ceiling } = group === null ? F.bounds(one, y) : F.groupBounds(one, y, group);
    const line = (label, value, extra, cls) =>
      F.el("div", { class: `line ${cls || ""}` }, F.el("span", {}, label), F.el("b", {}, value), F.el("small", {}, extra || ""));
    const place = group === null ? F.rescaled(one, y) : null;
    return [
      F.el("strong", {}, F.mark(one.arch), " ", one.name),
      F.el("div", { class: "quiet" }, described(one), F.state.testbed ? null : ` \u00b7 ${one.testbed}`),
      line(F.axisName(y), F.number(point.reading[0]) + (group === null ? F.marker(one, y) : ""), F.known(point.reading[1]) ? F.interval(point.reading[1], point.reading[2]) : ""),
      floor ? line("best floor", F.number(floor[1]), floor[0], "floor") : null,
      ceiling ? line("best ceiling", F.number(ceiling[1]), ceiling[0], "ceiling") : null,
      place === null ? null : line("floor 0 \u2026 ceiling 1", F.number(place), ""),
      x === y ? null : line(F.axisName(x), F.number(point.along[0]), F.known(point.along[1]) ? F.interval(point.along[1], point.along[2]) : ""),
    ];
  };

  const hide = () => {
    if (!chart) return;
    chart.tip.hidden = true;
    chart.ring.setAttribute("visibility", "hidden");
    chart.own.replaceChildren();
  };

  const show = (point) => {
    const { tip, ring, own, width, yScale } = chart;
    ring.setAttribute("visibility", "visible");
    ring.setAttribute("transform", `translate(${point.x} ${point.y})`);
    const { y, group } = F.state;
    const bounds = group === null ? F.bounds(point.result, y) : F.groupBounds(point.result, y, group);
    own.replaceChildren(
      ...["floor", "ceiling"].filter((role) => bounds[role] && bounds[role][1] >= yScale.low && bounds[role][1] <= yScale.high)
        .flatMap((role) => {
          const at = yScale.at(bounds[role][1]).toFixed(1);
          return [
            F.svg("path", { class: `stem ${role}`, d: `M${point.x.toFixed(1)} ${point.y.toFixed(1)}V${at}` }),
            F.svg("path", { class: `own ${role}`, d: `M${(point.x - 9).toFixed(1)} ${at}h18` }),
          ];
        }),
    );
    tip.replaceChildren(...told(point).filter(Boolean));
    tip.hidden = false;
    const left = point.x + 16 + tip.offsetWidth > width ? point.x - 16 - tip.offsetWidth : point.x + 16;
    tip.style.left = `${Math.max(0, Math.min(left, width - tip.offsetWidth))}px`;
    const above = point.y - tip.offsetHeight - 14;
    tip.style.top = `${width < 520 ? (above > 0 ? above : point.y + 18) : Math.max(0, point.y - tip.offsetHeight / 2)}px`;
  };

  const nearest = (event) => {
    const box = chart.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [null, REACH ** 2];
    for (const point of chart.points) {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  };

  // The nearest mark towards an arrow: a step aside costs more than a step ahead.
  const neighbour = (point, key) => {
    const [ahead, aside] = {
      ArrowRight: [(p) => p.x - point.x, (p) => p.y - point.y],
      ArrowLeft: [(p) => point.x - p.x, (p) => p.y - point.y],
      ArrowUp: [(p) => point.y - p.y, (p) => p.x - point.x],
      ArrowDown: [(p) => p.y - point.y, (p) => p.x - point.x],
    }[key];
    let [best, least] = [null, Infinity];
    for (const other of chart.points) {
      const step = ahead(other);
      if (other === point || step < 0 || (step === 0 && chart.points.indexOf(other) < chart.points.indexOf(point))) continue;
      const cost = step + 2.5 * Math.abs(aside(other));
      if (cost < least) [best, least] = [other, cost];
    }
    return best;
  };

  const onKey = (event, point) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      F.open([point.result.id]);
    } else if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") {
      event.preventDefault();
      const to = event.key === "Home" ? chart.points[0] : event.key === "End" ? chart.points.at(-1) : neighbour(point, event.key);
      if (to) {
        point.element.setAttribute("tabindex", "-1");
        to.element.setAttribute("tabindex", "0");
        to.element.focus();
      }
    } else if (event.key === "Escape" && !chart.tip.hidden) {
      event.stopPropagation();
      hide();
    }
  };

  // A band from the lowest to the highest bound with its name, and a tick at each where they differ.
  const drawBound = (role, rows, { x, y, left, right, top, bottom, along, points }) => {
    if (!rows.length) return [];
    const values = rows.map(([value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const names = [...new Set(rows.map(([, name]) => plain(name)))];
    const many = names.length > 2 ? `${names.slice(0, 2).join(", ")} and others` : names.join(", ");
    const range = F.number(low) === F.number(high) ? F.number(low) : `${F.number(low)} to ${F.number(high)}`;
    const words = `best ${role}${low === high ? "" : "s"} ${range}: ${many}`;
    const short = right - left < 420 ? `best ${role}${low === high ? "" : "s"} ${range}` : words;
    const place = (at) => Math.max(top, Math.min(bottom, at));
    const beyond = y.at(high) > bottom + 1 ? "\u2193 " : y.at(low) < top - 1 ? "\u2191 " : "";
    const [a, b] = [place(y.at(high)), place(y.at(low))];
    const under = role === "floor" ? b + 14 < bottom - 2 : a - 6 < top + 10;
    // the words stand at the end of the line that hides fewer marks
    const line = under ? b + 10 : a - 10;
    const hidden = (from, to) => points.filter((p) => p.x > from && p.x < to && Math.abs(p.y - line) < 12).length;
    const long = 6.6 * short.length + 16;
    const atLeft = hidden(left, left + long) < hidden(right - long, right);
    const text = F.svg(
      "text",
      { class: `bound ${role}`, x: atLeft ? left + 6 : right - 4, y: under ? b + 14 : a - 6, "text-anchor": atLeft ? "start" : "end" },
      beyond + short,
    );
    const parts = [];
    if (!beyond) {
      if (b - a > 3) parts.push(F.svg("rect", { class: `band ${role}`, x: left, y: a, width: right - left, height: b - a }));
      else parts.push(F.svg("path", { class: `edge ${role}`, d: `M${left} ${a}H${right}` }));
      if (b - a > 3) {
        const ticks = rows
          .filter(([, , one]) => along.has(one))
          .map(([value, , one]) => `M${(x.at(along.get(one)) - 5).toFixed(1)} ${y.at(value).toFixed(1)}h10`);
        parts.push(F.svg("path", { class: `ticks ${role}`, d: ticks.join("") }));
      }
    }
    return [...parts, text];
  };

  const draw = (holder) => {
    const focused = chart && chart.points.find((point) => point.element === document.activeElement);
    const { x: xName, y: yName, group } = F.state;
    const width = Math.max(holder.clientWidth, 260);
    const height = Math.round(Math.max(320, Math.min(560, width * 0.5)));
    const narrow = width < 520;
    const [left, right, top, bottom] = [narrow ? 42 : 52, width - (narrow ? 8 : 14), 16, height - 30];
    const readings = F.shown()
      .map((result) => ({ result, reading: F.reading(result, yName, group), along: F.reading(result, xName) }))
      .filter((one) => one.reading && one.along);
    const xs = readings.map((one) => one.along[0]);
    const log = F.state.log === null ? suggestsLog(xName, xs) : F.state.log && xs.every((value) => value > 0);
    const xScale = F.scale(xs, left + 8, right - 8, { log, n: narrow ? 5 : 9 });
    const values = readings.flatMap((one) => one.reading.filter(F.known));
    const bounds = F.state.testbed
      ? { floor: boundsOf(readings.map((one) => one.result), "floor"), ceiling: boundsOf(readings.map((one) => one.result), "ceiling") }
      : { floor: [], ceiling: [] };
    const span = Math.max(...values) - Math.min(...values) || Math.abs(values[0]) || 1;
    const near = [...bounds.floor, ...bounds.ceiling].map(([value]) => value)
      .filter((value) => value >= Math.min(...values) - FAR * span && value <= Math.max(...values) + FAR * span);
    const record = F.metric(yName);
    const yScale = F.scale([...values, ...near], bottom, top, { n: narrow ? 5 : 7, within: [record.low, record.high] });
    const r = readings.length > 400 ? 4 : narrow ? 5 : 5.5;

    const svg = F.svg("svg", { class: "explorer", width, height, viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `${F.axisName(yName)} against ${F.axisName(xName)}, ${readings.length} results; arrow keys go from mark to mark, Enter opens one` });
    for (const value of yScale.ticks) {
      const at = yScale.at(value).toFixed(1);
      svg.append(F.svg("path", { class: "grid", d: `M${left} ${at}H${right}` }),
        F.svg("text", { class: "tick", x: left - 8, y: Number(at) + 4, "text-anchor": "end" }, F.tickText(value)));
    }
    for (const value of xScale.ticks) {
      const at = xScale.at(value).toFixed(1);
      svg.append(F.svg("path", { class: "grid", d: `M${at} ${top}V${bottom}` }),
        F.svg("text", { class: "tick", x: at, y: bottom + 18, "text-anchor": "middle" }, F.tickText(value)));
    }
    svg.append(F.svg("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }));
    const along = new Map(readings.map((one) => [one.result, one.along[0]]));
    const points = readings.map((one) => ({ ...one, x: xScale.at(one.along[0]), y: yScale.at(one.reading[0]) }));
    points.sort((a, b) => a.x - b.x || a.y - b.y);
    const frame = { x: xScale, y: yScale, left, right, top, bottom, along, points };
    const [labels, shapes] = [[], []]; // words stand above the marks, bands below them
    for (const role of ["ceiling", "floor"]) {
      for (const part of drawBound(role, bounds[role], frame)) (part.tagName === "text" ? labels : shapes).push(part);
    }
    svg.append(...shapes);
    const whiskers = F.svg("g", { class: "whiskers" });
    const own = F.svg("g", { class: "owns" });
    const marks = F.svg("g", { class: "marks" });
    const ring = F.svg("circle", { class: "ring", r: r + 5, visibility: "hidden" });
    svg.append(...runs(points), own, whiskers, marks, ring, ...labels);
    points.forEach((point, i) => {
      const { result, reading } = point;
      if (F.known(reading[1]) && F.known(reading[2])) {
        whiskers.append(F.svg("path", { d: `M${point.x.toFixed(1)} ${yScale.at(reading[1]).toFixed(1)}V${yScale.at(reading[2]).toFixed(1)}`, stroke: F.colour(result.arch) }));
      }
      point.element = F.svg("path", {
        class: result.step === null ? "point" : "point early",
        d: F.outline(F.shape(result.arch), result.step === null ? r : 0.8 * r),
        transform: `translate(${point.x.toFixed(1)} ${point.y.toFixed(1)})`,
        style: `--own:${F.colour(result.arch)}`,
        tabindex: i === 0 ? "0" : "-1",
        role: "link",
        "data-id": result.id,
        "aria-label": `${result.name}, ${described(result)}: ${said(yName, reading)}, ${said(xName, point.along)}`,
        on: { focus: () => show(point), blur: hide, keydown: (event) => onKey(event, point) },
      });
      marks.append(point.element);
    });
    svg.addEventListener("pointermove", (event) => {
      const point = nearest(event);
      svg.classList.toggle("over", Boolean(point));
      if (point) show(point);
      else hide();
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("click", (event) => {
      const point = nearest(event);
      if (point) F.open([point.result.id]);
    });
    const tip = F.el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    holder.replaceChildren(svg, tip);
    if (!points.length) holder.append(F.el("p", { class: "nothing" }, "No result passes the filters with a value on both axes."));
    chart = { svg, points, tip, ring, own, width, yScale };
    const again = focused && points.find((point) => point.result === focused.result);
    if (again) {
      if (points.length) points[0].element.setAttribute("tabindex", "-1");
      again.element.setAttribute("tabindex", "0");
      again.element.focus({ preventScroll: true });
    }
    return { n: readings.length, log };
  };

  // Checkpoints of one training run are joined in their order.
  const runs = (points) => {
    const found = new Map();
    for (const point of points) {
      const one = point.result;
      const key = [one.testbed, one.run, one.width, one.seed, one.arch].join("\n");
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(point);
    }
    return [...found.values()]
      .filter((run) => run.some((point) => point.result.step !== null) && run.length > 1)
      .map((run) => {
        run.sort((a, b) => (a.result.step ?? Infinity) - (b.result.step ?? Infinity));
        const d = run.map((point, i) => `${i ? "L" : "M"}${point.x.toFixed(1)} ${point.y.toFixed(1)}`).join("");
        return F.svg("path", { class: "run", d, stroke: F.colour(run[0].result.arch) });
      });
  };

  F.drawExplorer = draw;
  F.chartSvg = () => chart && chart.svg;
}
