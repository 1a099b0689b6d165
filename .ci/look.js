// What a reader would miss: formulas and figures that do not show, a page wider than the window.
// Each fault says what is wrong, and behind the colon what to do.
async () => {
  await document.fonts.ready;
  const faults = [];
  const box = (element) => element.getBoundingClientRect();
  const seen = (element) => box(element).width > 0 && box(element).height > 0 &&
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const fonts = new Set([...document.fonts].filter((font) => font.status === "loaded")
    .map((font) => font.family.replaceAll('"', "")));

  for (const math of document.querySelectorAll("article math")) {
    const text = math.textContent;
    if (!seen(math)) faults.push(`the formula ${text} cannot be seen: find the rule that hides it`);
    if (getComputedStyle(math).color !== getComputedStyle(math.parentElement).color) {
      faults.push(`the formula ${text} has not the color of its text: let it inherit its color`);
    }
    for (const part of math.querySelectorAll("mi, mn, mo")) {
      const font = getComputedStyle(part).fontFamily.split(",")[0].replaceAll('"', "");
      if (!["STIX2", "Temml"].includes(font) || !fonts.has(font)) {
        faults.push(`the font ${font} of the formula ${text} is not loaded: run make setup again, ` +
          "and see that no rule changes the font of formulas");
        break;
      }
    }
  }

  for (const root of document.querySelectorAll("article msqrt")) {
    if (!seen(root)) continue;
    const { fontSize, marginRight } = getComputedStyle(root);
    const end = box(root).right + parseFloat(marginRight) - box(root.lastElementChild).right;
    if (end < -1 || end > 0.3 * parseFloat(fontSize)) {
      faults.push(`what follows the root of ${root.textContent} is ${end} pixels from its bar: ` +
        "see what docs/assets/book.css says of roots");
    }
  }

  const beside = (text, at) => {
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect();
  };
  for (const formula of document.querySelectorAll("article span.arithmatex")) {
    if (!seen(formula)) continue;
    const math = formula.querySelector("math");
    const [before, after] = [formula.previousSibling, math.nextSibling ?? formula.nextSibling];
    const lost = [];
    if (/^[^\s\w]/.test(after?.data ?? "") && beside(after, 0).left < box(math).left) lost.push(after.data);
    if (/[([“]$/.test(before?.data ?? "") && beside(before, before.length - 1).left > box(math).left) {
      lost.push(before.data);
    }
    const parts = [...math.children].map(box);
    if (/^[^\s\w]/.test(after?.data ?? "") && parts.at(-1).top > parts[0].bottom) {
      faults.push(`the formula ${math.textContent} takes two lines, and the sign behind it stands on the first: ` +
        "give it lines of its own, as $$ does");
    }
    for (const text of lost) {
      faults.push(`a line breaks between the formula ${math.textContent} and ${text.trim()}: ` +
        "let them share a span, see ATTACHED in gradbook/press/mathml.py");
    }
  }

  const room = document.documentElement.clientWidth;
  const drawn = "article figure:not(.gb-live > figure) > svg, article .gb-panels > svg, article img";
  for (const figure of document.querySelectorAll(drawn)) {
    const { left, right } = box(figure);
    const start = figure.outerHTML.slice(0, 99);
    if (!seen(figure)) faults.push(`a figure cannot be seen: find the rule that hides ${start}`);
    if (left < 0 || right > room) {
      faults.push(`a figure lies at ${left} to ${right} of ${room}: let it shrink, ${start}`);
    }
  }

  for (const header of document.querySelectorAll("article th")) {
    if (!header.textContent.trim()) {
      faults.push(`a table has an empty header: name its column, ${header.outerHTML}`);
    }
  }

  const page = document.scrollingElement.scrollWidth;
  if (page > innerWidth) {
    const wide = [...document.querySelectorAll("article *")]
      .filter((element) => box(element).right > innerWidth).at(-1);
    faults.push(`the page scrolls sideways, ${page} of ${innerWidth} pixels: let what is wide ` +
      `scroll by itself, perhaps ${wide ? wide.outerHTML.slice(0, 99) : "outside the article"}`);
  }
  return faults;
}
