// Two SAEs side by side: every score that both have, and whether their intervals are apart; then all of each.
{
  F.beside = (container, a, b) => {
    const metrics = Object.keys(a.metrics).filter((name) => b.metrics[name] && F.known(a.metrics[name][0]) && F.known(b.metrics[name][0]));
    const same = a.testbed === b.testbed;
    const rows = metrics.map((name) => {
      const [p, q] = [a.metrics[name], b.metrics[name]];
      const apart = [p, q].every((one) => F.known(one[1]) && F.known(one[2])) && (p[1] > q[2] || p[2] < q[1]);
      const winner = F.better(name, p[0], q[0]) ? a : F.better(name, q[0], p[0]) ? b : null;
      const verdict = !same ? DASH : F.metric(name).direction === "none" ? "describes" : p[0] === q[0] ? "equal" : !apart ? "not told apart" : winner ? `${winner.name}` : DASH;
      const cell = (one) => ({ show: [F.number(one[0]), " ", F.el("small", {}, F.interval(one[1], one[2]))], sort: one[0] });
      return [F.el("span", { title: F.metric(name).question }, name), F.metric(name).family, cell(p), cell(q), same ? { show: F.number(q[0] - p[0]), sort: Math.abs(q[0] - p[0]) } : null, verdict];
    });
    container.append(
      F.el("h2", { tabindex: "-1" }, a.name, F.el("span", { class: "quiet" }, " beside "), b.name),
      F.el("p", {}, same
        ? "Beyond noise here means that the two 95 % intervals are apart. That is strict: on the same games a paired difference would tell smaller ones."
        : `These are of different testbeds (${a.testbed}, ${b.testbed}): their numbers do not compare, only their places between floor and ceiling.`),
      F.table(
        [{ text: "metric", words: true }, { text: "family", words: true }, `${a.name}`, `${b.name}`, "difference", { text: "better beyond noise", words: true }],
        rows,
        { caption: `${rows.length} scores of both`, class: "beside" },
      ),
    );
    const columns = F.el("div", { class: "two" });
    for (const one of [a, b]) {
      const column = F.el("section", { "aria-label": one.name });
      columns.append(column);
      F.detail(column, one);
    }
    container.append(columns);
  };
}
