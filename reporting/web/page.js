// The page as a whole: how to read it, the parts in their order, warnings and provenance, and the button of the theme.
{
  const FEW = 6;

  const theme = () => {
    const names = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
    const order = ["auto", "light", "dark"];
    const stored = () => {
      try {
        return localStorage.getItem("fiducial-theme");
      } catch {
        return null; // a page that is opened from a disk may have no storage
      }
    };
    const button = F.el("button", { type: "button", class: "button no-print" });
    const set = (name) => {
      if (name === "auto") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = name;
      button.textContent = names[name];
      button.dataset.theme = name;
      try {
        localStorage.setItem("fiducial-theme", name);
      } catch {
        // it holds for this visit
      }
    };
    button.addEventListener("click", () => set(order[(order.indexOf(button.dataset.theme) + 1) % order.length]));
    const before = stored();
    set(order.includes(before) ? before : "auto");
    return button;
  };

  // One line from floor to ceiling, with its parts named.
  const picture = () => {
    const text = (x, y, words, cls, anchor = "middle") => F.svg("text", { x, y, class: cls, "text-anchor": anchor }, words);
    return F.svg(
      "svg",
      { class: "how", viewBox: "0 0 330 74", role: "img", "aria-label": "A score drawn as a bar from its best floor towards its best ceiling, with a thin line for its interval" },
      F.svg("rect", { class: "span", x: 40, y: 26, width: 250, height: 18, rx: 2 }),
      F.svg("rect", { class: "value", x: 40, y: 26, width: 140, height: 18, rx: 2 }),
      F.svg("path", { class: "at-floor", d: "M47 21h-7v28h7" }),
      F.svg("path", { class: "at-ceiling", d: "M283 21h7v28h-7" }),
      F.svg("path", { class: "whisker", d: "M160 35H200M160 31v8M200 31v8" }),
      text(40, 64, "floor", "floor", "middle"),
      text(290, 64, "ceiling", "ceiling", "middle"),
      text(180, 14, "score and its 95 % interval", "", "middle"),
    );
  };

  const howToRead = () =>
    F.el(
      "section",
      { class: "reading", "aria-label": "How to read the numbers" },
      picture(),
      F.el(
        "dl",
        {},
        F.el("div", {}, F.el("dt", { class: "floor" }, "Floor"), F.el("dd", {}, "what deserves no credit: a random dictionary, PCA, always saying yes. The best of them counts.")),
        F.el("div", {}, F.el("dt", { class: "ceiling" }, "Ceiling"), F.el("dd", {}, "a reference that was given the truth: probes, supervised dictionaries, the oracle.")),
        F.el("div", {}, F.el("dt", {}, "Interval"), F.el("dd", {}, "95 %, from drawing the games again. ", F.el("b", {}, "*"), " better than the best floor beyond noise, ", F.el("b", {}, "\u25bc"), " worse; no mark: not told apart.")),
      ),
    );

  const listed = (sentences) => {
    const items = sentences.map((text) => F.el("li", {}, text));
    return [F.el("ul", {}, items.slice(0, FEW)), items.length > FEW ? F.fold(`${items.length - FEW} more`, F.el("ul", {}, items.slice(FEW))) : null];
  };

  const facts = (of) =>
    F.el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "facts" },
      F.el("table", { class: "facts" }, F.el("tbody", {}, Object.entries(of).map(([key, value]) =>
        F.el("tr", {}, F.el("th", { scope: "row" }, key), F.el("td", { class: "words" }, value))))));

  const provenance = (container) => {
    const { results } = F.data;
    container.append(F.el("h2", {}, "Where this comes from"));
    const beaten = results.flatMap((one) => one.beats || []);
    if (F.data.warnings.length) container.append(F.el("div", { class: "notes" }, F.el("h3", {}, "Warnings"), listed(F.data.warnings)));
    if (beaten.length) container.append(F.fold(`Where a floor is better than an SAE (${beaten.length})`, listed(beaten)));
    if (Object.keys(F.data.provenance).length) container.append(F.fold("Versions, seeds and settings that all results share", facts(F.data.provenance)));
    const own = results.filter((one) => Object.keys(one.provenance || {}).length);
    if (own.length) {
      const fold = F.fold(`What is particular to each of ${own.length === 1 ? "them" : `the ${own.length}`}`);
      fold.addEventListener("toggle", () => {
        if (!fold.open || fold.childElementCount > 1) return;
        fold.append(...own.map((one) => F.fold(`${one.name} on ${one.testbed}`, facts(one.provenance))));
      });
      container.append(fold);
    }
  };

  F.redraw = () => F.change({});

  const section = (parent, id, heading, draw, ...before) => {
    const part = F.el("section", { id }, F.el("h2", {}, heading), ...before);
    parent.append(part);
    draw(part);
  };

  F.start = () => {
    document.getElementById("tools").append(theme());
    const page = document.getElementById("page");
    const overview = F.el("div", { id: "overview" });
    const one = F.el("div", { id: "one", hidden: true });
    page.append(overview, one);
    overview.append(howToRead());
    const single = F.data.results.length === 1;
    if (single) {
      const alone = F.el("section", { id: "alone" });
      overview.append(alone);
      F.detail(alone, F.data.results[0]);
    } else {
      section(overview, "chart", "All results", (part) => {
        F.filters(part);
        F.explorer(part);
      });
    }
    performance.mark("fiducial-drawn");
    // What stands below the fold comes once the chart is on the screen.
    const rest = () => {
      if (!single) section(overview, "table", "The same as a table", F.results);
      if (F.certificates && F.data.certificates.length) {
        section(overview, "trust", "Which metrics can be trusted", F.certificates);
      }
      const about = F.el("section", { id: "provenance" });
      overview.append(about);
      provenance(about);
      document.documentElement.dataset.ready = "true";
    };
    if (single) rest();
    else requestAnimationFrame(() => setTimeout(rest, 0));
    if (!single) F.route(overview, one);
  };
}
