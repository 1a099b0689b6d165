// Follows Tab through a page. Keys come faster than pictures are painted, many at a time: when the
// next one arrives, the page has scrolled, and the stop it leaves is judged. What is not plainly
// good holds the walk, and the keys that are still on their way do nothing, until it is let go.
() => {
  const stops = [];
  const visited = new Set();
  const kinds = new Set();
  let held = false;
  let last = null;
  const ringed = (at) => at.matches(".md-option") ? at.nextElementSibling : at;
  const kind = (at) => [at.tagName.toLowerCase(), ...at.classList].join(".");
  const box = (at) => ringed(at).getBoundingClientRect();
  const opaque = { opacityProperty: true, visibilityProperty: true };
  const inWindow = (at) => {
    const { x, y, width, height } = box(at);
    return width * height > 0 && x < innerWidth && x + width > 0 && y < innerHeight
      && y + height > 0 && ringed(at).checkVisibility(opaque);
  };
  const ring = (at) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(ringed(at));
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
  };
  const name = (at) => at.getAttribute("aria-label") || at.innerText;
  const keep = (at) => {
    visited.add(at);
    kinds.add(kind(at));
    stops.push({ kind: kind(at), name: name(at) });
    last = at;
  };

  // What the next Tab may leave without a judgment: where the walk starts, and what was let go.
  let free = document.activeElement;
  addEventListener("keydown", (event) => {
    if (event.key !== "Tab") return;
    const at = document.activeElement;
    held ||= at !== free && (at === document.body || visited.has(at) || !kinds.has(kind(at))
      || !inWindow(at) || !ring(at));
    if (held) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (at !== free) {
      keep(at);
    }
    free = null;
  }, { capture: true });

  window.walk = {
    stops,
    // Return the stop that holds the walk; null if Tab has come round, false if nothing holds it.
    async held() {
      if (!held) return false;
      const at = document.activeElement;
      if (at === document.body || (visited.has(at) && at !== last)) return null;
      // The search of a phone slides in when it gets the focus.
      for (let wait = 0; wait < 20 && !inWindow(at); wait += 1) {
        await new Promise((done) => setTimeout(done, 50));
      }
      const { left, right, top, bottom } = box(at);
      const [x, y] = [Math.max(left - 6, 0), Math.max(top - 6, 0)];
      const [width, height] = [Math.min(right + 6, innerWidth) - x, Math.min(bottom + 6, innerHeight) - y];
      return {
        what: `${kind(at)} ${JSON.stringify(name(at))}`,
        trapped: at === last,
        isNew: !kinds.has(kind(at)),
        inWindow: inWindow(at),
        ring: ring(at),
        clip: { x: x + scrollX, y: y + scrollY, width, height },
      };
    },
    // Nothing but the ring may differ between two pictures: no caret blinks, no color fades.
    color(color) {
      const { style } = ringed(document.activeElement);
      style.setProperty("outline-color", color, "important");
      style.setProperty("caret-color", "transparent", "important");
      style.setProperty("transition", "none", "important");
    },
    go() {
      free = document.activeElement;
      for (const name of ["outline-color", "caret-color", "transition"]) {
        ringed(free).style.removeProperty(name);
      }
      keep(free);
      held = false;
    },
  };
}
