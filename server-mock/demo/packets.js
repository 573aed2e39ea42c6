// Dots that move along a drawn cable, one for each frame. Owns nothing but the drawing, and draws nothing for who wants no
// motion.

import { SLOW } from "./cable.js";

/** More than these are not told apart. */
const MOST = 12;
const FAST = 450;

/** Draws what the cable carries, inside this element. */
export function drawPackets(cable, element) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const dots = new Set();

  cable.addEventListener("frame", ({ way }) => {
    if (calm.matches || dots.size >= MOST || document.hidden) return;
    const dot = document.createElement("i");
    element.append(dot);
    const [from, to] = way == "up" ? ["0%", "100%"] : ["100%", "0%"];
    const motion = dot.animate({ insetInlineStart: [from, to] }, { duration: cable.state == "slow" ? SLOW : FAST, easing: "ease-in-out" });
    dots.add(motion);
    motion.finished.catch(() => {}).finally(() => {
      dots.delete(motion);
      dot.remove();
    });
    if (cable.state == "frozen") hold(motion);
  });

  // They stop where they are, go on from there, or are gone.
  cable.addEventListener("change", () => {
    for (const motion of dots) {
      if (cable.state == "frozen") motion.pause();
      else if (cable.state == "cut") motion.cancel();
      else motion.play();
    }
  });

  /** What is given to a frozen cable stays near the one who gave it. */
  function hold(motion) {
    motion.pause();
    motion.currentTime = FAST * (0.2 + 0.2 * Math.random());
  }
}
