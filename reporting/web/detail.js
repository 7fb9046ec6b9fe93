// Everything about one SAE, newcomer first: words, bars, all scores, groups, boards, features, errors, latents, advice.
{
  const heads = (result) => {
    const facts = [
      ["testbed", result.testbed],
      ["architecture", result.arch],
      ["L0", F.known(result.l0) ? F.number(result.l0) : null],
      ["latents", F.known(result.width) ? result.width.toLocaleString("en-US") : null],
      ["training step", F.known(result.step) ? result.step.toLocaleString("en-US") : null],
      ["games", F.known(result.games) ? result.games : null],
      ["file", result.source],
    ].filter(([, what]) => what !== null && what !== undefined && what !== "");
    return F.el(
      "dl",
      { class: "facts" },
      facts.map(([name, what]) =>
        F.el(
          "div",
          {},
          F.el("dt", {}, name),
          F.el("dd", {}, name === "architecture" ? [F.mark(what), " ", what] : what),
        ),
      ),
    );
  };

  const card = (result, metric) => {
    const [value, low, high] = result.metrics[metric];
    return F.el(
      "article",
      { class: "card said-card" },
      F.el("h4", {}, F.el("span", {}, F.breakable(metric)), " ", F.badge(metric, result.testbed)),
      F.el(
        "p",
        { class: "big" },
        F.el("b", {}, F.number(value)),
        " ",
        F.el("span", { class: "quiet" }, F.interval(low, high)),
      ),
      F.el("p", {}, F.sentence(result, metric)),
      F.bar(result, metric),
      F.el("p", { class: "quiet" }, F.standing(result, metric)),
    );
  };

  const words = (result) => [
    F.el(
      "div",
      { class: "cards" },
      F.headlines(result).map((metric) => card(result, metric)),
    ),
    F.fold(
      "How to read a bar",
      F.el(
        "p",
        {},
        "The pale span goes from the best floor ( [ ), the strongest thing that deserves no credit, to " +
          "the best ceiling ( ] ), the strongest reference. The bar starts at the floor and ends at the " +
          "value; dashed and hollow, it is on the wrong side of its floor. The thin line is the 95 % " +
          "interval, a bootstrap over games. Below the bar, circles are all floors and diamonds all " +
          "ceilings; a triangle at the edge lies beyond it.",
      ),
    ),
  ];

  const scores = (result) => {
    const families = new Map();
    for (const metric of Object.keys(result.metrics)) {
      const family = F.metric(metric).family;
      families.set(family, [...(families.get(family) || []), metric]);
    }
    const bound = (row) => (row ? { show: [F.number(row[1]), " ", F.el("small", {}, row[0])], sort: row[1] } : null);
    const ways = { up: "higher", down: "lower", none: "only describes" };
    const headings = [
      { text: "metric", words: true },
      { text: "value, 95 %", title: "* better than the best floor beyond noise, \u25bc worse" },
      { text: "floor [ bar ] ceiling" },
      { text: "best floor" },
      { text: "best ceiling" },
      { text: "0\u20131", title: "0 at the best floor, 1 at the best ceiling" },
      { text: "good is", words: true },
      { text: "trust", words: true, title: "its certificate" },
    ];
    return [...families].map(([family, metrics], i) => {
      const rows = metrics.map((metric) => {
        const own = result.metrics[metric];
        const [value, low, high] = own;
        const { floor, ceiling } = F.bounds(result, metric);
        const placed = F.rescaled(result, metric);
        const ends = F.extent(metric, [
          value,
          low,
          high,
          floor && floor[1],
          ceiling && ceiling[1],
          ...(floor ? [] : [0]),
        ]);
        return [
          { show: F.el("span", { title: F.metric(metric).question }, F.breakable(metric)), sort: metric },
          {
            show: [F.number(value), F.marker(result, metric), " ", F.el("small", {}, F.interval(low, high))],
            sort: value,
          },
          {
            show: F.smallBar(
              { metric, value, low, high, floor: floor && floor[1], ceiling: ceiling && ceiling[1] },
              ends,
              F.said(metric, own, floor, ceiling),
            ),
            sort: placed,
          },
          bound(floor),
          bound(ceiling),
          { show: placed === null ? null : placed.toFixed(2).replace("-", "\u2212"), sort: placed },
          ways[F.metric(metric).direction] || "",
          { show: F.badge(metric, result.testbed), sort: (F.trust(metric, result.testbed) || { state: "?" }).state },
        ];
      });
      return F.el(
        "details",
        { class: "family", open: i < 2 },
        F.el("summary", {}, F.el("b", {}, family), F.el("small", {}, ` ${metrics.length}`)),
        F.table(headings, rows, { caption: family }),
      );
    });
  };

  const features = (result) => {
    const metrics = Object.keys(result.features || {}).filter((metric) => (result.features[metric].best || []).length);
    if (!metrics.length) return null;
    const shown = F.el("div", {});
    const list = (title, rows) =>
      rows.length
        ? F.el(
            "div",
            {},
            F.el("h4", {}, title),
            F.table(
              [
                { text: "feature", words: true },
                { text: "group", words: true },
                "value",
                { text: "floor", title: "of the same feature" },
              ],
              rows.map(([name, group, value, floor]) => [name, F.data.groups[group] ?? group, value, floor]),
              { caption: title },
            ),
          )
        : null;
    const draw = (metric) => {
      const of = result.features[metric];
      const left = [
        of.scored ? `${of.scored} features scored` : null,
        of.rare ? `${of.rare} too rare to score` : null,
        of.unreachable ? `${of.unreachable} that no legal game reaches` : null,
      ].filter(Boolean);
      F.empty(shown).append(
        F.el("p", { class: "quiet" }, left.join(", ")),
        F.el(
          "div",
          { class: "columns" },
          list(`Best at ${metric}`, of.best || []),
          list(`Worst at ${metric}`, of.worst || []),
        ),
      );
    };
    draw(metrics[0]);
    return [F.chooser("Metric", metrics, draw), shown];
  };

  const advice = (result) => {
    const said = F.advice(result);
    return said.length
      ? F.el(
          "ul",
          { class: "advice" },
          said.map((one) => F.el("li", {}, one)),
        )
      : F.el("p", {}, "Nothing stands out. Compare it with other widths and architectures on the same testbed.");
  };

  const notes = (result) => {
    const facts = Object.entries(result.provenance || {});
    const listed = (title, texts) =>
      texts && texts.length
        ? F.fold(
            `${title} (${texts.length})`,
            F.el(
              "ul",
              {},
              texts.map((text) => F.el("li", {}, text)),
            ),
          )
        : null;
    const parts = [
      listed("Warnings", result.warnings),
      listed("Controls that beat it", result.beats),
      facts.length
        ? F.fold(
            "Provenance",
            F.table(
              [
                { text: "what", words: true },
                { text: "value", words: true },
              ],
              facts,
              { caption: "particular to this result" },
            ),
          )
        : null,
    ].filter(Boolean);
    return parts.length ? parts : null;
  };

  const SECTIONS = [
    ["In words", words],
    ["All scores", scores],
    ["Feature groups", (result) => F.groups(result)],
    ["Boards", (result) => F.boards(result)],
    ["Best and worst features", features],
    ["Kinds of errors", (result) => F.taxonomy(result)],
    ["Latents", (result) => F.latents(result)],
    ["What to try next", advice],
    ["Warnings and provenance", notes],
  ];

  F.detail = (container, result) => {
    const made = SECTIONS.map(([title, make]) => ({ title, content: make(result) })).filter((one) => one.content);
    const sections = made.map(({ title, content }) => {
      const heading = F.el("h3", { tabindex: "-1" }, title);
      return { title, heading, section: F.el("section", { class: "part", "aria-label": title }, heading, content) };
    });
    container.append(
      F.el("h2", { tabindex: "-1" }, result.name, " ", F.el("small", {}, `on ${result.testbed}`)),
      heads(result),
      F.el(
        "nav",
        { class: "jumps no-print", "aria-label": "Parts of this view" },
        sections.map(({ title, heading }) =>
          F.el(
            "button",
            {
              type: "button",
              class: "jump",
              on: {
                click: () => {
                  heading.scrollIntoView();
                  heading.focus({ preventScroll: true });
                },
              },
            },
            title,
          ),
        ),
      ),
      ...sections.map(({ section }) => section),
    );
  };
}
