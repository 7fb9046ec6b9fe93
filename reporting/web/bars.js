// Bars from floor to ceiling: the small ones in tables, and the large ones with every floor and ceiling marked.
{
  const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

  // Ends of an axis for a metric: its whole range where that is 0 to 1, else what is there. Far controls stay outside.
  F.extent = (metric, own, others = []) => {
    const record = F.metric(metric);
    const held = own.filter(F.known);
    if (!held.length) return [0, 1];
    let [low, high] = [Math.min(...held), Math.max(...held)];
    if (record.low === 0 && record.high === 1) return [Math.min(0, low), Math.max(1, high)];
    if (low === high) return low === 0 ? [0, 1] : [Math.min(low, 0), Math.max(low, 0)];
    const room = (high - low) / 2;
    for (const x of others.filter(F.known)) {
      if (x >= low - room && x <= high + room) [low, high] = [Math.min(low, x), Math.max(high, x)];
    }
    return [low, high];
  };

  // What is drawn of one value: the span from floor to ceiling, the bar from the floor to the value, the interval.
  // A ceiling that is no better than the floor leaves no span.
  const marks = ({ metric, value, low, high, floor, ceiling }, x, y, thick) => {
    const parts = [];
    const rect = (name, a, b) => {
      const [left, right] = [x(a), x(b)].sort((one, other) => one - other);
      return F.svg("rect", {
        class: name,
        x: left,
        y: y - thick / 2,
        width: Math.max(right - left, 0.5),
        height: thick,
        rx: 1.5,
      });
    };
    if (F.better(metric, ceiling, floor)) parts.push(rect("b-span", floor, ceiling));
    const described = !F.known(floor);
    const start = described ? 0 : floor;
    if (F.known(value)) {
      parts.push(rect(!described && F.better(metric, floor, value) ? "b-below" : "b-bar", start, value));
    }
    for (const [name, bound, other] of [
      ["b-floor", floor, ceiling],
      ["b-ceiling", ceiling, floor],
    ]) {
      if (!F.known(bound)) continue;
      const side = F.known(other) ? Math.sign(x(other) - x(bound)) || 1 : name === "b-floor" ? 1 : -1;
      const half = thick / 2 + 2.5;
      parts.push(
        F.svg("path", {
          class: name,
          d: `M${x(bound) + 3.5 * side} ${y - half}h${-3.5 * side}v${2 * half}h${3.5 * side}`,
        }),
      );
    }
    if (F.known(low) && F.known(high)) {
      parts.push(
        F.svg("path", {
          class: "b-whisker",
          d: `M${x(low)} ${y}H${x(high)}M${x(low)} ${y - 3}v6M${x(high)} ${y - 3}v6`,
        }),
      );
    }
    return parts;
  };

  // A bar for a cell of a table; all bars of a column share their ends.
  F.smallBar = (one, [first, last], said) => {
    const [width, height] = [160, 20];
    const x = (v) => 4 + clamp((v - first) / (last - first || 1), 0, 1) * (width - 8);
    return F.svg(
      "svg",
      { class: "small-bar", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": said },
      F.svg("title", {}, said),
      F.svg("path", { class: "b-axis", d: `M4 ${height / 2}H${width - 4}` }),
      marks(one, x, height / 2, 8),
    );
  };

  // One metric of a result in numbers, for those who cannot see its bar.
  F.said = (metric, [value, low, high], floor, ceiling) => {
    const bound = (row, name) => (row ? `, ${name} ${F.number(row[1])} (${row[0]})` : "");
    return (
      `${metric} ${F.number(value)} ` +
      `${F.interval(low, high)}${bound(floor, "best floor")}${bound(ceiling, "best ceiling")}`
    );
  };

  // The large bar: an axis, the bar, and below it every floor (circles) and ceiling (diamonds).
  F.bar = (result, metric) => {
    const own = F.value(result, metric);
    const { floors, ceilings, floor, ceiling } = F.bounds(result, metric);
    const [value, low, high] = own;
    const controls = [...floors, ...ceilings];
    const held = [value, low, high, floor && floor[1], ceiling && ceiling[1], ...(floor ? [] : [0])];
    const [first, last] = F.extent(
      metric,
      held,
      controls.map((row) => row[1]),
    );
    const scale = F.ticks(first, last, 4);
    const [width, left, right] = [360, 12, 348];
    const x = (v) => left + clamp((v - first) / (last - first || 1), 0, 1) * (right - left);
    const bottom = controls.length ? 52 : 34;
    const dots = controls.map((row, i) => {
      const isFloor = i < floors.length;
      const best = row === floor || row === ceiling;
      const out = row[1] < first || row[1] > last;
      const at = x(row[1]);
      const toward = row[1] > last ? 5 : -5;
      const title =
        `${isFloor ? "floor" : "ceiling"}: ${row[0]} ${F.number(row[1])} ` +
        `${F.known(row[2]) ? F.interval(row[2], row[3]) : ""}`;
      const d = out
        ? `M${at} 42l${-toward} -4.5v9z`
        : isFloor
          ? `M${at - 4} 42a4 4 0 1 1 8 0a4 4 0 1 1 -8 0Z`
          : `M${at} 37l5 5l-5 5l-5 -5z`;
      return F.svg(
        "path",
        { class: `b-dot ${isFloor ? "is-floor" : "is-ceiling"}${best ? " best" : ""}`, d },
        F.svg("title", {}, title),
      );
    });
    const said = F.said(metric, own, floor, ceiling);
    return F.svg(
      "svg",
      { class: "large-bar", viewBox: `0 0 ${width} ${bottom + 16}`, role: "img", "aria-label": said },
      scale.map((tick) => F.svg("path", { class: "b-grid", d: `M${x(tick)} 6V${bottom}` })),
      scale.map((tick) =>
        F.svg("text", { class: "b-tick", x: clamp(x(tick), 14, width - 14), y: bottom + 13 }, F.tickText(tick)),
      ),
      F.svg(
        "g",
        {},
        F.svg("title", {}, said),
        marks({ metric, value, low, high, floor: floor && floor[1], ceiling: ceiling && ceiling[1] }, x, 20, 14),
      ),
      dots,
    );
  };
}
