// Heat maps of boards: one a feature group; hovering or focusing a square says its name and value.
{
  const CELL = 30;
  const MARGIN = 17;

  F.squareName = (index, size) => `${String.fromCharCode(97 + (index % size))}${Math.floor(index / size) + 1}`;

  // Where a square is drawn: [column, row] from the upper left.
  F.squarePlace = (index, size, firstOnTop) => {
    const rank = Math.floor(index / size);
    return [index % size, firstOnTop ? rank : size - 1 - rank];
  };

  // Files and ranks along the edges.
  F.coordinates = (size, firstOnTop, cell, margin, below) => [
    Array.from({ length: size }, (_, i) =>
      F.svg(
        "text",
        { class: "b-tick", x: margin + cell * (i + 0.5), y: below ? margin + cell * size + 12 : margin - 5 },
        String.fromCharCode(97 + i),
      ),
    ),
    Array.from({ length: size }, (_, i) =>
      F.svg(
        "text",
        { class: "b-tick", x: margin / 2, y: margin + cell * ((firstOnTop ? i : size - 1 - i) + 0.5) + 4 },
        i + 1,
      ),
    ),
  ];

  const short = (value) =>
    value
      .toFixed(Math.abs(value) < 9.95 ? 2 : 0)
      .replace(/\.00$/, "")
      .replace(/^(-?)0\./, "$1.")
      .replace("-", "\u2212");

  F.heatmap = (values, { size, firstOnTop, ends, title }) => {
    const known = values.filter(F.known);
    const mean = known.reduce((sum, value) => sum + value, 0) / (known.length || 1);
    const rest = known.length ? `mean over ${known.length} squares ${F.number(mean)}` : "no square has a value";
    const output = F.el("output", { class: "readout" }, rest);
    const say = (index) => {
      const value = values[index];
      output.textContent =
        `${F.squareName(index, size)}: ` +
        `${F.known(value) ? F.number(value) : "no value, or too rarely true to score"}`;
    };
    let at = 0;
    // Drawn over all squares, so that no neighbour hides a part of it.
    const ring = F.svg("rect", { class: "ring", width: CELL, height: CELL, visibility: "hidden" });
    const squares = values.map((value, index) => {
      const [column, row] = F.squarePlace(index, size, firstOnTop);
      const [x, y] = [MARGIN + CELL * column, MARGIN + CELL * row];
      const shade = F.known(value)
        ? Math.round(100 * Math.min(Math.max((value - ends[0]) / (ends[1] - ends[0] || 1), 0), 1))
        : 0;
      const name = `${F.squareName(index, size)}: ${F.known(value) ? F.number(value) : "no value"}`;
      const parts = F.known(value)
        ? [
            F.svg("rect", { class: "heat", x, y, width: CELL, height: CELL, style: `--shade:${shade}%` }),
            F.svg(
              "text",
              { class: "in-square", x: x + CELL / 2, y: y + CELL / 2 + 4 },
              short(value),
            ),
          ]
        : [
            F.svg("rect", { class: "heat none", x, y, width: CELL, height: CELL }),
            F.svg("path", { class: "cross", d: `M${x + 10} ${y + 10}l10 10m0 -10l-10 10` }),
          ];
      return F.svg("g", { class: "square", role: "img", "aria-label": name, tabindex: "-1" }, parts);
    });
    const order = (column, row) => (firstOnTop ? row : size - 1 - row) * size + column;
    const move = (index) => {
      squares[at].setAttribute("tabindex", "-1");
      at = index;
      squares[at].setAttribute("tabindex", "0");
      squares[at].focus();
    };
    const first = order(0, 0);
    at = first;
    squares[first].setAttribute("tabindex", "0");
    squares.forEach((square, index) => {
      square.addEventListener("pointerenter", () => say(index));
      square.addEventListener("focus", () => {
        const [column, row] = F.squarePlace(index, size, firstOnTop);
        ring.setAttribute("x", MARGIN + CELL * column);
        ring.setAttribute("y", MARGIN + CELL * row);
        ring.removeAttribute("visibility");
        say(index);
      });
      square.addEventListener("pointerdown", () => move(index));
    });
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const svg = F.svg(
      "svg",
      {
        class: "heatmap",
        viewBox: `0 0 ${MARGIN + CELL * size + 2} ${MARGIN + CELL * size + (firstOnTop ? 2 : 0)}`,
        role: "group",
        "aria-label": `${title}: ${rest}. Arrow keys move between squares.`,
        on: {
          pointerleave: () => (output.textContent = rest),
          focusout: () => {
            ring.setAttribute("visibility", "hidden");
            output.textContent = rest;
          },
          keydown: (event) => {
            const step = steps[event.key];
            if (!step) return;
            event.preventDefault();
            event.stopPropagation();
            const [column, row] = F.squarePlace(at, size, firstOnTop);
            const [c, r] = [column + step[0], row + step[1]];
            if (c >= 0 && c < size && r >= 0 && r < size) move(order(c, r));
          },
        },
      },
      F.coordinates(size, firstOnTop, CELL, MARGIN, false),
      F.svg("g", {}, squares),
      ring,
    );
    return [svg, output];
  };

  F.boards = (result) => {
    const maps = result.squares || {};
    const { size, first_rank_on_top: firstOnTop } = F.testbed(result.testbed);
    const metrics = Object.keys(maps).filter((metric) => Object.keys(maps[metric]).length);
    if (!size || !metrics.length) return null;
    const shown = F.el("div", {});
    const state = { metric: metrics[0], stretched: false, numbers: false };
    const draw = () => {
      // Keys that are numbers come sorted; the groups have an order of their own.
      const order = ((result.groups || {})[state.metric] || []).map(([group]) => group);
      const place = (group) => (order.includes(Number(group)) ? order.indexOf(Number(group)) : order.length);
      const groups = Object.entries(maps[state.metric]).sort(([a], [b]) => place(a) - place(b));
      const known = groups.flatMap(([, values]) => values).filter(F.known);
      const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
      const ends = state.stretched && most > least ? [least, most] : [Math.min(0, least), Math.max(1, most)];
      const silent = groups.filter(([, values]) => !values.some(F.known)).map(([group]) => F.data.groups[group]);
      const figures = groups
        .filter(([, values]) => values.some(F.known))
        .map(([group, values]) => {
          const name = F.data.groups[group];
          return F.el(
            "figure",
            { class: "board-figure" },
            F.el("figcaption", {}, name),
            F.heatmap(values, { size, firstOnTop, ends, title: `${state.metric}, ${name}` }),
          );
        });
      F.empty(shown).append(
        F.el(
          "p",
          { class: "heat-key" },
          F.number(ends[0]),
          F.el("span", { class: "heat-ramp", "aria-hidden": "true" }),
          F.number(ends[1]),
          F.el(
            "span",
            { class: "quiet" },
            F.metric(state.metric).direction === "down"
              ? "stronger is higher, and higher is worse"
              : "stronger is higher",
          ),
        ),
        F.el("div", { class: state.numbers ? "board-grid with-numbers" : "board-grid" }, figures),
        silent.length ? F.el("p", { class: "quiet" }, `Too rare everywhere for a board: ${silent.join(", ")}.`) : "",
      );
    };
    const toggle = (text, key) => {
      const button = F.el(
        "button",
        {
          type: "button",
          class: "button",
          "aria-pressed": "false",
          on: {
            click: () => {
              state[key] = !state[key];
              button.setAttribute("aria-pressed", String(state[key]));
              draw();
            },
          },
        },
        text,
      );
      return button;
    };
    const choose = F.chooser("Metric", metrics, (metric) => {
      state.metric = metric;
      draw();
    });
    draw();
    return [
      F.el(
        "div",
        { class: "controls" },
        choose,
        toggle("Numbers in the squares", "numbers"),
        toggle("Stretch the colours", "stretched"),
      ),
      shown,
    ];
  };
}
