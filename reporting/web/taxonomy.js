// The error taxonomy: what became of every true feature and what every latent is, as bars that sum to 100 %.
{
  const FEATURES = {
    found: "one latent of its own, with its direction and its activity",
    missed: "no latent or group of latents finds it",
    split: "several latents find it together, none of them alone",
    merged: "its latent carries another feature as well",
    absorbed: "its latent is silent where a latent of a more special feature fires",
    duplicated: "two latents or more find it",
  };
  const LATENTS = {
    matched: "takes part in finding a feature, or in one of the errors above",
    spurious: "fires, but belongs to no true feature",
    dead: "never fires",
  };
  const percent = (x) => `${(100 * x).toFixed(x > 0 && x < 0.0995 ? 1 : 0)} %`;

  const stacked = (title, about, shares) => {
    const whole = shares.reduce((sum, [, share]) => sum + share, 0);
    const segments = shares
      .filter(([, share]) => share > 0)
      .map(([kind, share]) =>
        F.el(
          "span",
          { class: `segment kind-${kind}`, style: `flex-grow:${share}`, title: `${kind}: ${percent(share)}` },
          share / whole > 0.08 ? F.el("b", {}, percent(share)) : null,
        ),
      );
    const rows = shares.map(([kind, share, low, high]) => [
      { show: [F.el("span", { class: `swatch kind-${kind}`, "aria-hidden": "true" }), kind], sort: kind },
      { show: percent(share), sort: share },
      {
        show:
          F.known(low) && F.known(high)
            ? F.el("span", { class: "unbroken" }, `${percent(low).replace(" %", "")}\u2013${percent(high)}`)
            : "no interval",
        sort: low,
      },
      about[kind],
    ]);
    return F.el(
      "figure",
      { class: "taxonomy" },
      F.el("figcaption", {}, title),
      F.el(
        "div",
        {
          class: "stack",
          role: "img",
          "aria-label": shares.map(([kind, share]) => `${kind} ${percent(share)}`).join(", "),
        },
        segments,
      ),
      F.el(
        "div",
        { class: "stack-axis", "aria-hidden": "true" },
        ["0", "25", "50", "75", "100 %"].map((text) => F.el("span", {}, text)),
      ),
      F.table(
        [{ text: "kind", words: true }, "share", { text: "95 %" }, { text: "what it means", words: true }],
        rows,
        { caption: `${title}: ${percent(whole)} in all` },
      ),
    );
  };

  F.taxonomy = (result) => {
    const shares = result.taxonomy || [];
    const of = (about) => shares.filter(([kind]) => kind in about);
    const figures = [];
    if (of(FEATURES).length) figures.push(stacked("Every true feature", FEATURES, of(FEATURES)));
    if (of(LATENTS).length) figures.push(stacked("Every latent", LATENTS, of(LATENTS)));
    return figures.length ? F.el("div", { class: "taxonomies" }, figures) : null;
  };
}
