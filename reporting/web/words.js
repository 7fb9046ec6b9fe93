// What the scores of one SAE say in plain sentences, and what to try next.
{
  const percent = (x) => `${Number((100 * x).toPrecision(x < 0.1 ? 2 : 3))} %`.replace("-", "\u2212");

  // Metrics that speak for an SAE, most important first, each as a sentence about its value.
  const SAYS = {
    recovery_score: (v) =>
      `Recovery of the true features is ${F.number(v)} of 1: each should have one latent with its ` +
      `direction and its activity.`,
    found_score: (v) => `It found ${percent(v)} of the true features, one latent for each.`,
    coverage: (v) =>
      `A known feature's best latent detects it with an F1 of ${F.number(v)}, on average over feature groups.`,
    reconstruction: (v) => `The true state read back from its precise latents has an F1 of ${F.number(v)}.`,
    edit_success_score: (v) => `Edits through it steer the model as intended in ${percent(v)} of the cases.`,
    sufficiency_score: (v) => `With its reconstruction alone the model keeps ${percent(v)} of its behaviour.`,
    ce_recovered_mean_score: (v) =>
      `With its reconstruction in place the model keeps ${percent(v)} of the prediction that a ` +
      `constant activation would cost.`,
    legal_mass_score: (v) =>
      `With its reconstruction in place the model gives ${percent(v)} of its probability to legal moves.`,
    explained_variance_score: (v) => `It rebuilds the activations with ${percent(v)} of their variance.`,
  };
  const [ENOUGH, MOST] = [3, 6];

  F.headlines = (result) => {
    const known = (metric) => result.metrics[metric] && F.known(result.metrics[metric][0]);
    const named = Object.keys(SAYS).filter(known);
    const others = Object.keys(result.metrics).filter(
      (metric) => known(metric) && !SAYS[metric] && F.bounds(result, metric).floor,
    );
    return named.length < ENOUGH ? [...named, ...others].slice(0, ENOUGH) : named.slice(0, MOST);
  };

  F.sentence = (result, metric) => {
    const [value] = result.metrics[metric];
    return SAYS[metric] ? SAYS[metric](value) : `${metric} is ${F.number(value)}. ${F.metric(metric).question}`;
  };

  // Where a value stands, in words.
  F.standing = (result, metric) => {
    const { floor, ceiling } = F.bounds(result, metric);
    if (!floor)
      return F.metric(metric).direction === "none"
        ? "It only describes: neither way is better."
        : "No floor was measured beside it, so that nothing says how much of it deserves credit.";
    const mark = F.marker(result, metric);
    const named = (row, kind) => `its best ${kind}, ${row[0]} (${F.number(row[1])})`;
    const known = (result.over || {})[metric];
    const against = !known
      ? `Its best floor is ${floor[0]} (${F.number(floor[1])}); whether the difference is noise is not known`
      : {
          "*": `It beats ${named(floor, "floor")}, beyond noise`,
          "\u25bc": `It is worse than ${named(floor, "floor")}, beyond noise`,
          "": `It cannot be told apart from ${named(floor, "floor")}`,
        }[mark];
    if (!ceiling) return `${against}.`;
    const placed = F.rescaled(result, metric);
    if ((known && mark !== "*") || placed === null || placed < 0)
      return `${against}. ${named(ceiling, "ceiling").replace("its", "Its").replace(/, /, " is ")}.`;
    if (!known) return `${against}. It stands ${percent(placed)} of the way to ${named(ceiling, "ceiling")}.`;
    return placed > 1
      ? `${against}, and goes beyond ${named(ceiling, "ceiling")}.`
      : `${against}, and stands ${percent(placed)} of the way to ${named(ceiling, "ceiling")}.`;
  };

  const value = (result, metric) =>
    result.metrics[metric] && F.known(result.metrics[metric][0]) ? result.metrics[metric][0] : null;
  const share = (result, kind) => ((result.taxonomy || []).find(([name]) => name === kind) || [])[1] ?? 0;
  const code = (text) => F.el("code", {}, text);

  // Advice that follows from the numbers; each a list of text and elements.
  F.advice = (result) => {
    const said = [];
    const beaten = F.headlines(result).find(
      (metric) => (result.over || {})[metric] && F.bounds(result, metric).floor && F.marker(result, metric) !== "*",
    );
    if (beaten) {
      const floor = F.bounds(result, beaten).floor[0];
      said.push([
        `At ${beaten} it does not beat ${floor} beyond noise. Do not read features into it before it ` +
          `does: train longer, change the sparsity, or score on more games with `,
        code("--games"),
        ".",
      ]);
    }
    const dead = value(result, "dead_latents_error");
    if (dead > 0.1)
      said.push([
        `${percent(dead)} of the latents never fire. Train longer, take fewer latents, or an ` +
          `architecture that revives them.`,
      ]);
    const dense = value(result, "dense_latents");
    if (dense > 0.1)
      said.push([
        `${percent(dense)} of the latents fire at more than a tenth of the positions. Compare SAEs with a lower L0.`,
      ]);
    const variance = value(result, "explained_variance_score");
    if (variance !== null && variance < 0.8)
      said.push([
        `The reconstruction keeps ${percent(variance)} of the variance. Compare SAEs with a higher L0 or more latents.`,
      ]);
    if (share(result, "absorbed") > 0.05)
      said.push([
        `${percent(share(result, "absorbed"))} of the features are absorbed by latents of more special ` +
          `ones. Compare architectures at the same L0: `,
        code("fiducial sweep"),
        ".",
      ]);
    if (share(result, "merged") > 0.05)
      said.push([
        `${percent(share(result, "merged"))} of the features share a latent with another. Compare ` +
          `widths, and an L0 nearer the true one.`,
      ]);
    const worst = F.worstGroups(result);
    if (worst)
      said.push([
        `Furthest from their ceiling at ${worst.metric}: ${worst.groups.join(", ")}. Look at their rows ` +
          `under Feature groups`,
        Object.keys(result.squares || {}).length ? ", and at their squares under Boards." : ".",
      ]);
    const doubted = F.headlines(result).find((metric) => (F.trust(metric, result.testbed) || {}).state === "bad");
    if (doubted)
      said.push([
        `${doubted} failed a part of its own certification (${F.trust(doubted, result.testbed).verdict}, ` +
          `on ${F.trust(doubted, result.testbed).testbed}). Read it beside others, and never alone.`,
      ]);
    if (!(result.latents || []).length)
      said.push([
        "See what its latents fire on: ",
        code("fiducial explain SAE -o DIR"),
        ", then ",
        code("fiducial report DIR"),
        ".",
      ]);
    if (F.known(result.games) && result.games < 500)
      said.push([`These are ${result.games} games; 500 or more make the intervals narrower.`]);
    return said;
  };

  // Up to three groups with the largest part of the way from floor to ceiling still before them.
  F.worstGroups = (result) => {
    const metric = Object.keys(result.groups || {}).find((name) => (result.groups[name] || []).length > 3);
    if (!metric) return null;
    const placed = result.groups[metric]
      .map(([group, own]) => {
        const { floor, ceiling } = F.groupBounds(result, metric, group);
        const room = floor && ceiling && F.better(metric, ceiling[1], floor[1]) ? ceiling[1] - floor[1] : 0;
        return { group, left: Math.abs(room) > 0.05 && F.known(own) ? (ceiling[1] - own) / room : null };
      })
      .filter((one) => one.left !== null && one.left > 0.3)
      .sort((a, b) => b.left - a.left)
      .slice(0, 3);
    return placed.length ? { metric, groups: placed.map((one) => F.data.groups[one.group]) } : null;
  };
}
