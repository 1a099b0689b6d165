// Marks the texts whose contrast axe-core is to judge. A page of code has thousands of words that
// nothing tells apart: of those of one place, style and ground, at most `most` are judged.
(most) => {
  const clear = "rgba(0, 0, 0, 0)";
  const opaque = { opacityProperty: true, visibilityProperty: true };
  const box = (element) => element.getBoundingClientRect();
  const own = (element) => [...element.childNodes].filter((node) => node.nodeType === 3)
    .map((node) => node.data).join("").trim();

  // An element's place: tags, classes and grounds from the body down to it.
  const places = new Map([[document.body, ""]]);
  const grounds = [];
  const texts = [];
  for (const element of document.body.querySelectorAll("*")) {
    element.removeAttribute("data-alike");
    const above = places.get(element.parentElement);
    if (above === undefined || element.matches("math")) continue;
    const style = getComputedStyle(element);
    const ground = style.backgroundColor === clear && style.backgroundImage === "none"
      ? "" : `${style.backgroundColor} ${style.backgroundImage}`;
    const name = `${element.tagName}.${element.getAttribute("class")} ${style.position}`;
    const veil = `${style.opacity} ${style.filter} ${style.mixBlendMode} ${style.clipPath}`;
    places.set(element, `${above}>${name} ${ground} ${veil}`);
    if (ground) grounds.push({ element, ground, ...box(element).toJSON() });
    const text = own(element);
    if (!text && !element.matches("input, select, textarea")) continue;
    if (!element.checkVisibility(opaque)) continue;
    const look = [style.color, style.fontSize, style.fontWeight, style.textShadow,
      style.webkitTextStroke, /[\p{L}\p{N}]{2}/u.test(text), element.ariaDisabled];
    texts.push({ element, alike: [places.get(element), ...look].join("|") });
  }

  // What lies under or over a text without being around it: by bands, as all pairs are too many.
  const band = 128;
  const bands = new Map();
  const crossed = ({ top, bottom }) =>
    Array.from({ length: Math.floor(bottom / band) - Math.floor(top / band) + 1 },
      (_, k) => Math.floor(top / band) + k);
  for (const part of grounds) {
    for (const k of crossed(part)) bands.set(k, [...bands.get(k) ?? [], part]);
  }
  const groups = new Map();
  for (const { element, alike } of texts) {
    const { left, right, top, bottom } = box(element);
    const others = crossed({ top, bottom }).flatMap((k) => bands.get(k) ?? []).filter((part) =>
      part.left < right && left < part.right && part.top < bottom && top < part.bottom &&
      !part.element.contains(element)).map((part) => part.ground);
    const key = [alike, ...new Set(others.sort())].join("|");
    groups.set(key, [...groups.get(key) ?? [], element]);
  }
  for (const group of groups.values()) {
    const step = Math.ceil(group.length / most);
    group.filter((_, k) => k % step === 0)
      .forEach((element) => element.setAttribute("data-alike", group.length));
  }
}
