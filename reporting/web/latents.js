// Latents of one SAE: words, how far they are true, what scorers say of them, and positions as boards.
{
  const FIRST = 6; // shown before "more"
  const GLYPHS = { k: "\u265a", q: "\u265b", r: "\u265c", b: "\u265d", n: "\u265e", p: "\u265f\ufe0e" };

  const disc = (square, x, y, cell) =>
    F.svg("circle", {
      class: square === "x" ? "disc black" : "disc white",
      cx: x + cell / 2,
      cy: y + cell / 2,
      r: cell * 0.4,
    });

  const piece = (square, x, y, cell) =>
    F.svg(
      "text",
      { class: square === square.toUpperCase() ? "piece white" : "piece black", x: x + cell / 2, y: y + cell * 0.83 },
      GLYPHS[square.toLowerCase()] || square,
    );

  // A position as a board; text where the world has none.
  F.position = (example, testbed) => {
    const { game, first_rank_on_top: firstOnTop } = F.testbed(testbed);
    const squares = example.board || "";
    const size = Math.round(Math.sqrt(squares.length));
    const where = F.known(example.ply) ? `game ${example.game}, after ${example.ply} moves` : "";
    if (size < 2 || size * size !== squares.length)
      return F.el("pre", { class: "drawn" }, example.drawn || example.text);
    const [cell, margin] = [24, 15];
    const chess = game === "chess";
    const parts = [...squares].map((square, index) => {
      const [column, row] = F.squarePlace(index, size, firstOnTop);
      const [x, y] = [margin + cell * column, margin + cell * row];
      const shade = chess ? ((column + row) % 2 ? "dark" : "light") : "felt";
      const marked = (example.marked || []).includes(index);
      return [
        F.svg("rect", { class: `plate ${shade}`, x, y, width: cell, height: cell }),
        marked && chess
          ? F.svg("rect", { class: "last-move", x: x + 1, y: y + 1, width: cell - 2, height: cell - 2 })
          : null,
        square === "." ? null : chess ? piece(square, x, y, cell) : disc(square, x, y, cell),
        marked && !chess
          ? F.svg("circle", { class: "last-disc", cx: x + cell / 2, cy: y + cell / 2, r: cell * 0.14 })
          : null,
      ];
    });
    const side = margin + cell * size;
    return F.svg(
      "svg",
      {
        class: "position",
        viewBox: `0 0 ${side + 2} ${side + 2}`,
        role: "img",
        "aria-label": `board of ${where}; last moves: ${example.text}`,
      },
      F.coordinates(size, firstOnTop, cell, margin, false),
      parts,
    );
  };

  const shown = (example, block, testbed) => {
    const board = F.position(example, testbed);
    const words = (block.histogram || {}).words;
    const best = (block.matches[0] || [])[0];
    const [yes, no] = words ? ["the words hold", "they do not hold"] : [best, `not: ${best}`];
    const holds =
      example.holds === true
        ? F.el("span", { class: "good" }, `\u2713 ${yes}`)
        : example.holds === false
          ? F.el("span", { class: "bad" }, `\u2717 ${no}`)
          : null;
    return F.el(
      "li",
      {},
      board,
      F.el(
        "div",
        { class: "under" },
        F.el("b", {}, F.number(example.activation)),
        example.board ? [" ", F.el("code", {}, example.text)] : null,
      ),
      holds ? F.el("div", { class: "under" }, holds) : null,
    );
  };

  const positions = (title, about, examples, block, testbed) =>
    examples.length
      ? [
          F.el("h5", {}, title, " ", F.el("small", {}, about)),
          F.el(
            "ul",
            { class: examples.some((one) => one.board) ? "positions" : "positions texts" },
            examples.map((one) => shown(one, block, testbed)),
          ),
        ]
      : null;

  const percent = (x) => (F.known(x) ? `${Number((100 * x).toPrecision(2))} %` : "\u2013");

  // Exact precision, recall and F1, and beside them each scorer, on one axis from 0 to 1.
  const strip = (block) => {
    const exact = ["precision", "recall", "f1"].filter((name) => block[name] && F.known(block[name][0]));
    const scorers = Object.entries(block.scorers || {}).filter(([, [value]]) => F.known(value));
    if (!exact.length && !scorers.length) return null;
    const [label, left, right, row] = [84, 90, 278, 21];
    const x = (v) => left + Math.min(Math.max(v, 0), 1) * (right - left);
    const truth = block.f1 && F.known(block.f1[0]) ? block.f1 : null;
    const height = row * (exact.length + scorers.length) + 20;
    const bottom = height - 18;
    const lines = [
      ...exact.map((name) => ({
        name: name === "f1" ? "F1" : name,
        value: block[name][0],
        low: block[name][1],
        high: block[name][2],
        exact: true,
      })),
      ...scorers.map(([name, [value, shuffled]]) => ({ name, value, shuffled })),
    ];
    const beside = (line) => {
      if (line.exact) return ` ${F.interval(line.low, line.high)}`;
      return F.known(line.shuffled) ? ` (shuffled ${F.number(line.shuffled)})` : "";
    };
    const said = lines.map((line) => `${line.name} ${F.number(line.value)}${beside(line)}`);
    return F.svg(
      "svg",
      { class: "strip", viewBox: `0 0 420 ${height}`, role: "img", "aria-label": said.join("; ") },
      [0, 0.25, 0.5, 0.75, 1].map((tick) => [
        F.svg("path", { class: "b-grid", d: `M${x(tick)} 0V${bottom}` }),
        F.svg("text", { class: "b-tick", x: x(tick), y: height - 4 }, F.tickText(tick)),
      ]),
      truth && F.known(truth[1])
        ? F.svg("rect", {
            class: "truth-band",
            x: x(truth[1]),
            y: 0,
            width: Math.max(x(truth[2]) - x(truth[1]), 1),
            height: bottom,
          })
        : null,
      truth ? F.svg("path", { class: "truth", d: `M${x(truth[0])} 0V${bottom}` }) : null,
      lines.map((line, i) => {
        const y = row * i + row / 2;
        const number = line.exact
          ? `${F.number(line.value)} ${F.known(line.low) ? F.interval(line.low, line.high) : ""}`
          : `${F.number(line.value)}${F.known(line.shuffled) ? ` (${F.number(line.shuffled)})` : ""}`;
        return F.svg(
          "g",
          {},
          F.svg("title", {}, said[i]),
          F.svg("text", { class: "strip-name", x: label, y: y + 4 }, line.name),
          line.exact && F.known(line.low)
            ? F.svg("path", {
                class: "b-whisker",
                d: `M${x(line.low)} ${y}H${x(line.high)}M${x(line.low)} ${y - 3}v6M${x(line.high)} ${y - 3}v6`,
              })
            : null,
          F.known(line.shuffled) ? F.svg("circle", { class: "shuffled", cx: x(line.shuffled), cy: y, r: 4 }) : null,
          line.exact
            ? F.svg("path", { class: "exact", d: `M${x(line.value)} ${y - 5}l5 5l-5 5l-5 -5z` })
            : F.svg("circle", { class: "opinion", cx: x(line.value), cy: y, r: 4.5 }),
          F.svg("text", { class: "strip-number", x: right + 8, y: y + 4 }, number),
        );
      }),
    );
  };

  const histogram = (block) => {
    const of = block.histogram;
    if (!of || !of.with || !of.with.length) return null;
    const [width, left, right, top, bottom] = [360, 34, 352, 8, 104];
    const totals = of.with.map((count, i) => count + of.without[i]);
    const most = Math.max(1, ...totals);
    const [low, high] = [of.edges[0], of.edges[of.edges.length - 1]];
    const x = (v) => left + ((v - low) / (high - low || 1)) * (right - left);
    const y = (count) => bottom - (bottom - top) * Math.sqrt(count / most);
    const column = (name, i, from, to) =>
      to > from
        ? F.svg("rect", {
            class: name,
            x: x(of.edges[i]) + 0.5,
            y: y(to),
            width: Math.max(x(of.edges[i + 1]) - x(of.edges[i]) - 1, 0.5),
            height: y(from) - y(to),
          })
        : null;
    const levels = [...new Set([1, Math.floor(most / 16), Math.floor(most / 4), most])]
      .filter((level) => level >= 1)
      .sort((a, b) => b - a);
    let above = -Infinity;
    const labels = levels.map((level) => {
      const at = y(level);
      if (at - above < 11) return null;
      above = at;
      return [
        F.svg("path", { class: "b-grid", d: `M${left} ${at}H${right}` }),
        F.svg("text", { class: "b-tick end", x: left - 4, y: at + 4 }, level),
      ];
    });
    const [yes, no] = of.words
      ? ["the words hold", "they do not"]
      : [`${of.feature || "a feature"} holds`, "it does not"];
    const limit = F.known(of.threshold) ? ", dashed is the threshold" : "";
    const sum = (counts) => counts.reduce((a, b) => a + b, 0);
    const said = `Activations above 0: ${sum(of.with)} positions at which ${yes}, ${sum(of.without)} others`;
    return F.el(
      "div",
      {},
      F.el(
        "p",
        { class: "chart-key" },
        F.el("span", { class: "swatch h-with" }),
        yes,
        F.el("span", { class: "swatch h-without" }),
        `${no}; activations above 0, heights as square roots${limit}`,
      ),
      F.svg(
        "svg",
        { class: "histogram", viewBox: `0 0 ${width} 124`, role: "img", "aria-label": said },
        labels,
        totals.map((total, i) =>
          F.svg(
            "g",
            {},
            F.svg(
              "title",
              {},
              `${F.number(of.edges[i])} to ${F.number(of.edges[i + 1])}: ${of.with[i]} and ${of.without[i]} positions`,
            ),
            column("h-with", i, 0, of.with[i]),
            column("h-without", i, of.with[i], total),
          ),
        ),
        F.known(of.threshold)
          ? F.svg("path", {
              class: "limit",
              d: `M${x(Math.min(Math.max(of.threshold, low), high))} ${top - 4}V${bottom}`,
            })
          : null,
        F.ticks(low, high, 5).map((tick) =>
          F.svg("text", { class: "b-tick", x: x(tick), y: bottom + 15 }, F.tickText(tick)),
        ),
      ),
    );
  };

  const matches = (block) =>
    block.matches.length
      ? F.table(
          [
            { text: "feature", words: true },
            "F1",
            { text: "everywhere", title: "F1 of predicting the feature at every position: no credit" },
            "precision",
            "recall",
          ],
          block.matches.map(([feature, f1, floor, precision, recall]) => [feature, f1, floor, precision, recall]),
          { caption: "Features that it detects best" },
        )
      : null;

  const card = (block, testbed) => {
    const words = block.failure
      ? F.el("p", { class: "said quiet" }, `No explanation: ${block.failure}`)
      : block.explanation
        ? F.el(
            "p",
            { class: "said" },
            F.el("span", { class: "quiet" }, "fires when "),
            F.el("q", {}, block.explanation),
          )
        : F.el("p", { class: "said quiet" }, "not explained; its best feature: ", (block.matches[0] || ["none"])[0]);
    const executed =
      block.predicate && block.predicate !== block.explanation
        ? F.el("p", { class: "quiet" }, "executed as ", F.el("q", {}, block.predicate))
        : null;
    const of = (kind) => block.examples.filter((example) => example.kind === kind);
    const about = [
      F.known(block.rate) ? `fires at ${percent(block.rate)} of held-out positions` : null,
      block.explainer ? `explained by ${block.explainer}` : null,
    ]
      .filter(Boolean)
      .join("; ");
    const known = block.f1 && F.known(block.f1[0]);
    return F.el(
      "article",
      { class: "latent" },
      F.el("h4", {}, `Latent ${block.latent} `, F.el("small", {}, about)),
      words,
      executed,
      F.el(
        "div",
        { class: "latent-facts" },
        F.el(
          "div",
          {},
          strip(block),
          !known && block.explanation
            ? F.el(
                "p",
                { class: "quiet" },
                "These words could not be executed, so that their precision and recall are not known.",
              )
            : null,
        ),
        block.histogram ? F.el("div", {}, histogram(block)) : null,
      ),
      positions("Strongest positions", "one a game; they alone mislead", of("strongest"), block, testbed),
      positions("Ordinary positions", "further down the list of where it fires", of("ordinary"), block, testbed),
      block.matches.length ? F.fold("Features that it detects best", matches(block)) : null,
    );
  };

  const ORDERS = {
    "truest words first": (a, b) => ((b.f1 || [])[0] ?? -1) - ((a.f1 || [])[0] ?? -1),
    "falsest words first": (a, b) => ((a.f1 || [])[0] ?? 2) - ((b.f1 || [])[0] ?? 2),
    "most often active first": (a, b) => (b.rate ?? -1) - (a.rate ?? -1),
    "by number": (a, b) => a.latent - b.latent,
  };

  F.latents = (result) => {
    const blocks = (result.latents || []).map((i) => F.data.latents[i]).filter(Boolean);
    if (!blocks.length) return null;
    const list = F.el("div", { class: "latents" });
    const more = F.el("button", { type: "button", class: "button" });
    const count = F.el("span", { class: "quiet", "aria-live": "polite" });
    const state = { order: "truest words first", text: "", n: FIRST };
    const draw = (keep) => {
      const found = blocks
        .filter((block) =>
          [block.explanation, block.latent, ...block.matches.map((match) => match[0])]
            .join(" ")
            .toLowerCase()
            .includes(state.text),
        )
        .sort((a, b) => ORDERS[state.order](a, b) || a.latent - b.latent);
      const cards = found.slice(0, state.n).map((block) => card(block, result.testbed));
      F.empty(list).append(...cards);
      count.textContent = `${Math.min(state.n, found.length)} of ${found.length} shown`;
      more.hidden = state.n >= found.length;
      more.textContent = `Show ${Math.min(FIRST, found.length - state.n)} more`;
      if (keep && cards[keep])
        (cards[keep].querySelector("h4").setAttribute("tabindex", "-1"), cards[keep].querySelector("h4").focus());
    };
    more.addEventListener("click", () => {
      const before = state.n;
      state.n += FIRST;
      draw(before);
    });
    const search = F.el("input", {
      type: "search",
      placeholder: "words or features",
      on: {
        input: () => {
          state.text = search.value.trim().toLowerCase();
          state.n = FIRST;
          draw();
        },
      },
    });
    draw();
    const few = blocks.length < 3;
    return [
      F.el(
        "p",
        { class: "quiet" },
        "Diamonds are exact: the words executed on every held-out position; the line is their F1 with its 95 % " +
          "interval. Dots are what scorers say of the same words, hollow ones what they say of another latent's " +
          "words. Scorers have measures of their own (detection and fuzzing: balanced accuracy, .5 by guessing; " +
          "simulation: correlation), so read a dot against its hollow one, and against the line over many latents: " +
          "words that are praised alike should be true alike.",
      ),
      few
        ? null
        : F.el(
            "div",
            { class: "controls" },
            F.chooser("Order", Object.keys(ORDERS), (order) => {
              state.order = order;
              draw();
            }),
            F.el("label", { class: "chooser" }, F.el("span", {}, "Search"), search),
            count,
          ),
      list,
      more,
    ];
  };
}
