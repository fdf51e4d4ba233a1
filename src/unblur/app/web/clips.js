/* Two clips side by side, in step. */
(() => {
  "use strict";
  const started = new WeakSet();

  function start(root) {
    if (started.has(root)) return;
    started.add(root);
    const [first, second] = root.querySelectorAll("video");
    const play = root.querySelector(".play"), range = root.querySelector("input");
    const frame = 1 / Number(root.dataset.rate);
    const seek = (time) => {
      const place = Math.min(Math.max(time, 0), (first.duration || 0) - frame / 2);
      first.currentTime = second.currentTime = place;
      range.value = place;
    };
    const pause = () => { first.pause(); second.pause(); play.textContent = "Play"; };
    const follow = () => {
      if (first.paused) return;
      if (Math.abs(first.currentTime - second.currentTime) > frame) second.currentTime = first.currentTime;
      range.value = first.currentTime;
      requestAnimationFrame(follow);
    };
    first.addEventListener("loadedmetadata", () => { range.max = first.duration; });
    first.addEventListener("ended", () => { seek(0); first.play(); second.play(); requestAnimationFrame(follow); });
    play.addEventListener("click", () => {
      if (!first.paused) return pause();
      second.currentTime = first.currentTime;
      first.play(); second.play();
      play.textContent = "Pause";
      requestAnimationFrame(follow);
    });
    range.addEventListener("input", () => { pause(); seek(Number(range.value)); });
    root.querySelector(".back").addEventListener("click", () => { pause(); seek(first.currentTime - frame); });
    root.querySelector(".forth").addEventListener("click", () => { pause(); seek(first.currentTime + frame); });
  }

  const all = () => document.querySelectorAll(".unblur-clips").forEach(start);
  new MutationObserver(all).observe(document.documentElement, { childList: true, subtree: true });
  all();
})();
