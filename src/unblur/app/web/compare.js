/* The slider between two pictures. Keys: the divider is a range input; the picture scrolls by the arrow keys when it has the focus; + - 0 1 zoom. */
(() => {
  "use strict";
  const started = new WeakSet();

  function start(root) {
    if (started.has(root)) return;
    started.add(root);
    const find = (selector) => root.querySelector(selector);
    const stage = find(".stage"), area = find(".area"), after = find(".after"), handle = find(".handle");
    const range = find(".divider"), shown = find("output");
    const width = Number(root.dataset.width), height = Number(root.dataset.height);
    let zoom = 0; // screen pixels a pixel; 0 fits the picture in

    const fitting = () => Math.min(stage.clientWidth / width, stage.clientHeight / height, 1) * devicePixelRatio;
    const scale = () => (zoom || fitting()) / devicePixelRatio;

    function divide() { // the divider is a place of what is in view, so that it never leaves it
      const visible = Math.min(stage.clientWidth, area.offsetWidth);
      const x = stage.scrollLeft + (range.value / 100) * visible;
      after.style.clipPath = `inset(0 0 0 ${x}px)`;
      handle.style.left = `${x}px`;
      root.dataset.divider = range.value;
    }

    function layout(anchor) {
      const before = anchor && { x: (stage.scrollLeft + anchor.x) / area.offsetWidth, y: (stage.scrollTop + anchor.y) / area.offsetHeight };
      area.style.width = `${width * scale()}px`;
      area.style.height = `${height * scale()}px`;
      root.classList.toggle("enlarged", scale() * devicePixelRatio >= 2);
      shown.value = `${Math.round(scale() * devicePixelRatio * 100)} %`;
      if (before) {
        stage.scrollLeft = before.x * area.offsetWidth - anchor.x;
        stage.scrollTop = before.y * area.offsetHeight - anchor.y;
      }
      divide();
    }

    const middle = () => ({ x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
    const zoomTo = (value, anchor) => { zoom = value && Math.min(Math.max(value, 0.02), 16); layout(anchor || middle()); };
    const zoomBy = (factor, anchor) => zoomTo(scale() * devicePixelRatio * factor, anchor);

    range.addEventListener("input", divide);
    stage.addEventListener("scroll", divide);
    find(".closer").addEventListener("click", () => zoomBy(1.5));
    find(".farther").addEventListener("click", () => zoomBy(1 / 1.5));
    find(".full").addEventListener("click", () => zoomTo(1));
    find(".fit").addEventListener("click", () => zoomTo(0));
    stage.addEventListener("keydown", (event) => {
      const does = { "+": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), "0": () => zoomTo(0), "1": () => zoomTo(1) }[event.key];
      if (does && !event.ctrlKey && !event.metaKey) { event.preventDefault(); does(); }
    });
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return; // without it, the picture scrolls
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, { x: event.clientX - box.left, y: event.clientY - box.top });
    }, { passive: false });

    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const left = Math.max(area.getBoundingClientRect().left, stage.getBoundingClientRect().left);
      const visible = Math.min(stage.clientWidth, area.offsetWidth);
      range.value = (100 * (event.clientX - left)) / visible;
      divide();
    });

    let held = null; // where the mouse took hold of the picture
    stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || handle.contains(event.target) || root.classList.contains("draws")) return;
      held = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
    });
    addEventListener("pointermove", (event) => {
      if (!held) return;
      stage.scrollLeft = held.x - event.clientX;
      stage.scrollTop = held.y - event.clientY;
    });
    addEventListener("pointerup", () => { held = null; });

    new ResizeObserver(() => layout()).observe(stage);
    layout();
    root.dispatchEvent(new CustomEvent("unblur-ready", { bubbles: true }));
  }

  const all = () => document.querySelectorAll(".unblur-compare").forEach(start);
  new MutationObserver(all).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", all);
  all();
})();
