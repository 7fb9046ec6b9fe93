// Feature groups of one SAE: a sortable table with the floor and the ceiling of the same group.
{
  F.groups = (result) => {
    const metrics = Object.keys(result.groups || {}).filter((metric) => (result.groups[metric] || []).length);
    if (!metrics.length) return null;
    const shown = F.el("div", {});
    const draw = (metric) => {
      const rows = result.groups[metric].map(([group, value, low, high]) => {
        const { floor, ceiling } = F.groupBounds(result, metric, group);
        return { name: F.data.groups[group], value, low, high, floor, ceiling };
      });
      const held = rows.flatMap((row) => [
        row.value,
        row.low,
        row.high,
        row.floor && row.floor[1],
        row.ceiling && row.ceiling[1],
      ]);
      const ends = F.extent(metric, held);
      const bound = (row) => (row ? { show: [F.number(row[1]), " ", F.el("small", {}, row[0])], sort: row[1] } : null);
      const cells = rows.map(({ name, value, low, high, floor, ceiling }) => {
        const room = floor && ceiling && F.better(metric, ceiling[1], floor[1]) ? ceiling[1] - floor[1] : 0;
        const noisy = F.known(low) && F.known(high) && Math.abs(room) < high - low;
        const placed = room && !noisy && F.known(value) ? (value - floor[1]) / room : null;
        const drawn = F.smallBar(
          { metric, value, low, high, floor: floor && floor[1], ceiling: ceiling && ceiling[1] },
          ends,
          F.said(name, [value, low, high], floor, ceiling),
        );
        return [
          name,
          { show: [F.number(value), " ", F.el("small", {}, F.interval(low, high))], sort: value },
          { show: drawn, sort: value },
          bound(floor),
          bound(ceiling),
          { show: placed === null ? null : placed.toFixed(2).replace("-", "\u2212"), sort: placed },
        ];
      });
      const headings = [
        { text: "group", words: true },
        { text: "value, 95 %", title: "bootstrap over games" },
        { text: "floor [ bar ] ceiling" },
        { text: "best floor", title: "of the same group" },
        { text: "best ceiling", title: "of the same group" },
        { text: "0\u20131", title: "0 at the best floor, 1 at the best ceiling" },
      ];
      F.empty(shown).append(
        F.el("p", { class: "quiet" }, F.metric(metric).question),
        F.table(headings, cells, { caption: `${metric} by feature group`, class: "groups" }),
      );
    };
    const choose = F.chooser("Metric", metrics, draw);
    draw(metrics[0]);
    return [choose, shown];
  };

  // A name that may break after its underscores, and only there.
  F.breakable = (name) => name.split("_").flatMap((part, i) => (i ? ["_", F.el("wbr"), part] : [part]));

  // A labelled select; a list of one needs none.
  F.chooser = (label, names, on, titles = names) => {
    if (names.length < 2) return null;
    const select = F.el(
      "select",
      { on: { change: () => on(select.value) } },
      names.map((name, i) => F.el("option", { value: name }, titles[i])),
    );
    return F.el("label", { class: "chooser" }, F.el("span", {}, label), select);
  };
}
