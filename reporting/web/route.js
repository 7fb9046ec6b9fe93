// Which part of the page is shown: all results, or `#sae=r3` one of them, or `#sae=r3,r5` two side by side.
{
  let came = false; // whether the overview was left by a link of this page, so that Back may go back
  let left = null; // {id, y}: what had the focus there, and how far down

  const asked = () => {
    const match = /^#sae=([\w,]+)$/.exec(location.hash);
    return match ? match[1].split(",").slice(0, 2).map(F.result) : null;
  };

  F.open = (ids) => {
    location.hash = `sae=${ids.join(",")}`;
  };

  const back = () => {
    if (came) history.back();
    else location.hash = "";
  };

  const remember = () => {
    const active = document.activeElement;
    left = { y: scrollY, id: (active && active.dataset && active.dataset.id) || null, href: active && active.getAttribute ? active.getAttribute("href") : null };
  };

  const restore = (overview) => {
    if (!left) return;
    scrollTo({ top: left.y, behavior: "instant" });
    const target = left.id
      ? overview.querySelector(`[data-id="${left.id}"]`)
      : left.href && [...overview.querySelectorAll("a")].find((link) => link.getAttribute("href") === left.href);
    if (target) target.focus({ preventScroll: true });
    left = null;
  };

  F.route = (overview, container) => {
    const title = document.title;
    let shown = null;
    const show = () => {
      const results = asked();
      const key = results ? location.hash : null;
      if (key === shown) return;
      if (results && shown === null) {
        remember();
        came = shown === null && document.readyState === "complete" && history.length > 1 && F.started;
      }
      shown = key;
      document.body.classList.toggle("one", Boolean(results));
      overview.hidden = Boolean(results);
      container.hidden = !results;
      F.empty(container);
      if (!results) {
        document.title = title;
        F.redraw();
        restore(overview);
        return;
      }
      const bar = F.el("nav", { class: "back no-print", "aria-label": "Back" },
        F.el("button", { type: "button", class: "button", on: { click: back } }, "\u2190 All results"), F.el("small", {}, "or Esc"));
      container.append(bar);
      if (results.some((one) => !one)) {
        container.append(F.el("h2", { tabindex: "-1" }, "There is no such result on this page"),
          F.el("p", {}, "The link may belong to a page of other results. The way back leads to those that are here."));
      } else if (results.length === 2) {
        F.beside(container, results[0], results[1]);
      } else {
        F.detail(container, results[0]);
      }
      document.title = results[0] ? `${results.map((one) => one.name).join(" beside ")} \u2013 ${title}` : title;
      scrollTo({ top: 0, behavior: "instant" });
      const heading = container.querySelector("h2");
      if (heading) {
        heading.setAttribute("tabindex", "-1");
        heading.focus({ preventScroll: true });
      }
    };
    addEventListener("hashchange", show);
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || shown === null) return;
      if (["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)) return;
      back();
    });
    show();
    F.started = true;
  };
}
