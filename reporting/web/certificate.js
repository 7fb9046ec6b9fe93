// The certification matrix: metrics by checks, a reason behind every cell, and how far each metric can be trusted.
{
  const CHECKS = {
    top: "nothing scores better than the right dictionary",
    order: "more damage scores worse",
    range: "the right dictionary is further from a worthless one than noise",
    noise: "small differences can be told",
    truth: "it ranks trained SAEs as the known truth does",
    training: "it rises along training",
    gaming: "edits that leave the truth as it is do not raise it",
    labels: "with shuffled labels its credit is gone, or it reads none",
  };
  const SIGNS = { true: "\u2713", false: "\u2717", null: "\u00b7" };
  const SAID = { true: "passes", false: "fails", null: "not asked" };
  const ORDER = ["bad", "partly", "good", "none"];

  const stateOf = (row) => {
    if (Object.values(row.checks).some((passed) => passed === false)) return "bad";
    if (row.verdict.startsWith("trusted")) return "good";
    return row.role === "description" || row.role === "not asked" ? "none" : "partly";
  };

  const found = (metric) =>
    (F.data.certificates || []).flatMap((certificate) =>
      certificate.rows
        .filter((row) => row.metric === metric)
        .map((row) => ({ ...row, testbed: certificate.testbed, state: stateOf(row) })),
    );

  // {verdict, advice, testbed, state, here: whether it is of that testbed} or null. The worst where it is of none.
  F.trust = (metric, testbed = null) => {
    const rows = found(metric);
    if (!rows.length) return null;
    const here = rows.find((row) => testbed && (testbed === row.testbed || testbed.startsWith(`${row.testbed}, `)));
    const row =
      here || rows.reduce((worst, one) => (ORDER.indexOf(one.state) < ORDER.indexOf(worst.state) ? one : worst));
    return {
      verdict: row.verdict,
      advice: row.advice,
      testbed: row.testbed,
      state: row.state,
      here: Boolean(here),
      toString: () => row.verdict,
    };
  };

  const BADGES = {
    good: ["\u2713", "trusted"],
    partly: ["\u25d0", "in part"],
    bad: ["\u2717", "take care"],
    none: ["\u00b7", "not a score"],
  };

  // A small sign with the verdict as its tooltip.
  F.badge = (metric, testbed) => {
    const trust = F.trust(metric, testbed);
    if (!trust) return F.el("span", { class: "badge none", title: "not certified" }, "? not certified");
    const [sign, word] = BADGES[trust.state];
    const where = trust.here ? "" : ` (on ${trust.testbed}, not ${testbed})`;
    return F.el(
      "span",
      { class: `badge ${trust.state}`, title: `${trust.verdict}${where}. ${trust.advice}` },
      `${sign} ${word}`,
      trust.here ? "" : " (tried elsewhere)",
    );
  };

  const worst = (values) => (values.includes(false) ? false : values.includes(true) ? true : null);

  F.certificates = (container) => {
    const all = F.data.certificates || [];
    if (!all.length) {
      container.append(F.el("p", { class: "quiet" }, "No certificates are at hand: `fiducial certify` makes them."));
      return;
    }
    const scored = new Set(Object.keys(F.data.metrics));
    const names = [...new Set(all.flatMap((certificate) => certificate.rows.map((row) => row.metric)))];
    const some = names.some((name) => scored.has(name)) && names.some((name) => !scored.has(name));
    const state = { testbed: "", own: some };
    const body = F.el("tbody");
    const about = F.el("p", { class: "quiet" });

    const draw = () => {
      F.empty(body);
      const of = all.find((certificate) => certificate.testbed === state.testbed);
      about.textContent = of
        ? of.about
        : `${all.length} testbeds: ${all.map((certificate) => certificate.testbed).join(", ")}. A check ` +
          `fails here if it fails on any of them.`;
      for (const metric of names) {
        if (state.own && !scored.has(metric)) continue;
        const rows = found(metric).filter((row) => !state.testbed || row.testbed === state.testbed);
        if (rows.length) addRow(metric, rows);
      }
    };

    const addRow = (metric, rows) => {
      let open = null; // the button that is pressed, with its row of reasons
      const close = () => {
        if (!open) return;
        open.button.setAttribute("aria-expanded", "false");
        open.line.remove();
        open = null;
      };
      const toggle = (button, content) => {
        const again = open && open.button === button;
        close();
        if (again) return;
        button.setAttribute("aria-expanded", "true");
        const line = F.el("tr", { class: "why" }, F.el("td", { colspan: Object.keys(CHECKS).length + 2 }, content()));
        tr.after(line);
        open = { button, line };
      };
      const named = (row) => (rows.length > 1 ? [F.el("b", {}, row.testbed), ": "] : []);
      const cell = (check) => {
        const passed = worst(rows.map((row) => row.checks[check]));
        const asked = rows.filter((row) => row.checks[check] !== null);
        const good = asked.filter((row) => row.checks[check]).length;
        const count = asked.length > 1 && good < asked.length ? F.el("small", {}, ` ${good}/${asked.length}`) : null;
        const button = F.el(
          "button",
          {
            type: "button",
            class: `check is-${passed}`,
            "aria-expanded": "false",
            "aria-label": `${metric}, ${check}: ${SAID[passed]}`,
          },
          F.el("span", { "aria-hidden": "true" }, SIGNS[passed]),
          count,
        );
        button.addEventListener("click", () =>
          toggle(button, () => [
            F.el("p", {}, F.el("b", {}, check), ` asks whether ${CHECKS[check]}.`),
            F.el(
              "ul",
              {},
              rows.map((row) => F.el("li", {}, named(row), `${SAID[row.checks[check]]}. `, row.why[check] || "")),
            ),
          ]),
        );
        return F.el("td", {}, button);
      };
      const state = ORDER[Math.min(...rows.map((row) => ORDER.indexOf(row.state)))];
      const [sign, word] = BADGES[state];
      const verdict = F.el(
        "button",
        { type: "button", class: `badge ${state}`, "aria-expanded": "false", "aria-label": `${metric}: ${word}, why` },
        `${sign} ${word}`,
      );
      verdict.addEventListener("click", () =>
        toggle(verdict, () => [
          F.el("p", {}, F.metric(metric).question),
          F.el(
            "ul",
            {},
            rows.map((row) => F.el("li", {}, named(row), F.el("b", {}, row.verdict), ". ", row.advice)),
          ),
        ]),
      );
      const tr = F.el(
        "tr",
        {},
        F.el("th", { scope: "row" }, F.breakable(metric)),
        F.el("td", { class: "words" }, verdict),
        Object.keys(CHECKS).map(cell),
      );
      body.append(tr);
    };

    const testbeds = ["", ...all.map((certificate) => certificate.testbed)];
    const own = F.el("input", {
      type: "checkbox",
      on: {
        change: () => {
          state.own = own.checked;
          draw();
        },
      },
    });
    own.checked = state.own;
    container.append(
      F.el(
        "p",
        {},
        "Metrics are instruments, too. Each was put to dictionaries of known damage and to trained SAEs " +
          "whose truth is known. Press a sign to see the figure behind it.",
      ),
      F.el(
        "div",
        { class: "controls" },
        all.length > 1
          ? F.chooser(
              "Certified on",
              testbeds,
              (name) => {
                state.testbed = name;
                draw();
              },
              ["all testbeds", ...testbeds.slice(1)],
            )
          : null,
        some ? F.el("label", { class: "tick" }, own, " only metrics scored on this page") : null,
      ),
      about,
      F.el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "certification matrix" },
        F.el(
          "table",
          { class: "matrix" },
          F.el(
            "thead",
            {},
            F.el(
              "tr",
              {},
              F.el("th", { scope: "col", class: "words" }, "metric"),
              F.el("th", { scope: "col", class: "words" }, "verdict"),
              Object.entries(CHECKS).map(([check, asks]) => F.el("th", { scope: "col", title: asks }, check)),
            ),
          ),
          body,
        ),
      ),
      F.el(
        "p",
        { class: "key" },
        F.el("span", { class: "check is-true" }, SIGNS.true),
        " passes ",
        F.el("span", { class: "check is-false" }, SIGNS.false),
        " fails (1/2: passes on one of two testbeds) ",
        F.el("span", { class: "check is-null" }, SIGNS.null),
        " not asked",
      ),
      F.fold(
        "What the checks ask",
        F.el(
          "dl",
          { class: "checks" },
          Object.entries(CHECKS).map(([check, asks]) => [
            F.el("dt", {}, check),
            F.el("dd", {}, `${asks[0].toUpperCase()}${asks.slice(1)}.`),
          ]),
        ),
      ),
    );
    draw();
  };
}
