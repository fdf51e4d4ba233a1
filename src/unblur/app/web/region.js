/* Drawing a region on the slider: `unblurDraws("rectangle" | "brush" | "")` says with what; the text box #region holds it. Strength is the opacity. */
(() => {
  "use strict";
  let tool = "", width = 48, strength = 1;
  const figure = () => document.querySelector("#photo .unblur-compare");
  const box = () => document.querySelector("#region textarea, #region input");

  function parsed(text) {
    try {
      const found = JSON.parse(/^\s*[[{]/.test(text) ? text : `[${text}]`);
      return Array.isArray(found) ? (found.length === 4 ? { rectangle: found } : {}) : found;
    } catch { return {}; }
  }

  function put(text) {
    box().value = text;
    box().dispatchEvent(new Event("input", { bubbles: true }));
    show();
  }

  function show() { // the restored picture is seen in the region alone
    const root = figure();
    if (!root) return;
    const after = root.querySelector(".after"), text = box() ? box().value : "";
    const region = parsed(text), w = Number(root.dataset.width), h = Number(root.dataset.height);
    const scale = Math.min(1, 1600 / Math.max(w, h));
    if (!text.trim() || !(region.rectangle || region.strokes)) { after.style.maskImage = ""; return; }
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(w * scale));
    canvas.height = Math.max(1, Math.round(h * scale));
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    if (region.rectangle) {
      const [left, top, right, bottom] = region.rectangle;
      pen.fillRect(left, top, right - left, bottom - top);
    }
    for (const stroke of region.strokes || []) {
      pen.lineWidth = stroke.width;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      stroke.points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      if (stroke.points.length === 1) pen.lineTo(stroke.points[0][0] + 0.1, stroke.points[0][1]);
      pen.stroke();
    }
    after.style.maskImage = `url(${canvas.toDataURL()})`;
    after.style.maskSize = "100% 100%";
  }

  function place(event, root) {
    const area = root.querySelector(".area").getBoundingClientRect();
    const scale = Number(root.dataset.width) / area.width;
    return [Math.round((event.clientX - area.left) * scale), Math.round((event.clientY - area.top) * scale)];
  }

  let from = null, strokes = [];
  document.addEventListener("pointerdown", (event) => {
    const root = figure();
    if (!tool || !root || !root.querySelector(".area").contains(event.target) || event.target.closest(".handle")) return;
    event.preventDefault();
    from = place(event, root);
    if (tool === "brush") {
      strokes = parsed(box().value).strokes || [];
      strokes.push({ width, points: [from] });
    }
  });
  document.addEventListener("pointermove", (event) => {
    const root = figure();
    if (!from || !root) return;
    const [x, y] = place(event, root);
    if (tool === "brush") {
      strokes[strokes.length - 1].points.push([x, y]);
      put(JSON.stringify({ strokes }));
    } else if (x !== from[0] && y !== from[1]) {
      put([Math.min(x, from[0]), Math.min(y, from[1]), Math.max(x, from[0]), Math.max(y, from[1])].join(", "));
    }
  });
  document.addEventListener("pointerup", () => {
    if (from && tool === "brush") put(JSON.stringify({ strokes }));
    from = null;
  });

  window.unblurDraws = (chosen) => {
    tool = chosen;
    const root = figure();
    if (root) {
      root.classList.toggle("draws", Boolean(tool));
      width = Math.max(4, Math.round(Math.min(root.dataset.width, root.dataset.height) / 12));
    }
    show();
  };
  window.unblurStrength = (value) => {
    strength = value;
    document.querySelectorAll("#photo .after").forEach((each) => { each.style.opacity = strength; });
  };
  window.unblurRegion = show;
  document.addEventListener("unblur-ready", () => {
    const root = figure();
    if (root) { window.unblurStrength(strength); window.unblurDraws(tool); }
  });
})();
