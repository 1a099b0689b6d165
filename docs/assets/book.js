// What CSS cannot do for a reader with a keyboard or a screen reader. A classic script,
// so that it runs from file://, where modules do not load. Pages are complete without it.
(() => {
  "use strict";
  const each = (selector, change) => document.querySelectorAll(selector).forEach(change);

  // Material leaves its search dialog without a name.
  each(".md-search[role=dialog]", (dialog) => dialog.setAttribute("aria-label", "Search"));

  // The button for the contents of a narrow page is a label, as are the sections in there: no key
  // reaches them. (Material opens a label that has the focus when Enter is pressed.)
  each(".md-header__button[for=__drawer]", (label) => {
    const button = document.createElement("button");
    button.className = label.className;
    button.setAttribute("for", label.htmlFor); // Material's style sheet asks for it
    button.setAttribute("aria-label", "Navigation");
    button.append(...label.childNodes);
    button.addEventListener("click", () => label.click());
    label.before(button);
    label.style.display = "none";
  });
  // What the open contents cover, or an open section of theirs, waits behind them.
  const narrow = matchMedia("(max-width: 76.234375em)");
  const drawer = document.getElementById("__drawer");
  const isOpen = (item) => Boolean(item.querySelector(":scope > .md-nav__toggle")?.checked);
  const settle = () => {
    const cover = (part, covered) => { part.inert = narrow.matches && covered; };
    each(".md-header, .md-content, .md-sidebar--secondary, .md-footer", (part) => {
      cover(part, drawer.checked);
    });
    each(".md-nav--primary .md-nav__list > li", (item) => {
      const others = [...item.parentElement.children].filter((other) => other !== item);
      cover(item, others.some(isOpen));
      item.querySelectorAll(":scope > .md-nav__link").forEach((link) => cover(link, isOpen(item)));
    });
    each(".md-nav--primary label[for]", (label) => { label.tabIndex = narrow.matches ? 0 : -1; });
  };
  if (drawer) {
    settle();
    narrow.addEventListener("change", settle);
    document.addEventListener("change", settle);
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !drawer.checked) return;
      drawer.click();
      document.querySelector("button[for=__drawer]")?.focus();
    });
  }

  // Who leaves the search goes on from where they were on the page, and not from its beginning.
  const search = document.getElementById("__search");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !search?.checked) return;
    setTimeout(() => {
      const inView = (part) => part.getBoundingClientRect().bottom > 80;
      const here = [...document.querySelectorAll("article > *")].find(inView);
      if (!here || document.activeElement.closest("article")) return;
      here.tabIndex = -1;
      here.focus({ preventScroll: true });
      here.addEventListener("blur", () => here.removeAttribute("tabindex"), { once: true });
    });
  }, true);

  // Every copy button, and every heading of the contents that has headings below it, lies in a nav
  // of its own, many of them of one name: they are no landmarks.
  const parts = ".md-code__nav, .md-nav--secondary .md-nav, .md-search__options";
  const demote = () => each(`:is(${parts}):not([role])`, (nav) => {
    nav.removeAttribute("aria-label");
    nav.setAttribute("role", "none");
  });
  new MutationObserver(demote).observe(document.body, { childList: true, subtree: true });
  demote();

  // What overflows can be scrolled with the arrow keys, and is a stop for Tab only while it does.
  const wide = { "div.arithmatex": "Formula", ".md-typeset__scrollwrap": "Table", ".gb-output": "Output" };
  wide["article pre > code"] = "Code"; // Material makes it a stop only where a mouse hovers
  const mark = (element, name, overflows) => {
    const marks = { tabindex: "0", role: "group", "aria-label": `${name}, scrolls sideways` };
    for (const [key, value] of Object.entries(marks)) {
      if (overflows) element.setAttribute(key, value);
      else element.removeAttribute(key);
    }
  };
  // Material wraps the tables once the document is ready; this waits until it has.
  window.addEventListener("load", () => {
    const names = new Map();
    const observer = new ResizeObserver((resized) => {
      const parts = resized.map(({ target }) => target);
      // All are measured before one is changed: the browser lays the page out once.
      const overflow = parts.map((part) => part.scrollWidth > part.clientWidth);
      parts.forEach((part, i) => mark(part, names.get(part), overflow[i]));
    });
    for (const [selector, name] of Object.entries(wide)) {
      each(selector, (element) => { names.set(element, name); observer.observe(element); });
    }
  });

  // An explorer brings its script to the pages that show it; without it, its figure stays.
  const folder = new URL("explorers/", document.currentScript.src);
  const kinds = new Set([...document.querySelectorAll("[data-explorer]")].map((element) =>
    element.localName.replace("gb-", "")));
  if (kinds.size) {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL("explorers.css", folder);
    sheet.addEventListener("load", () => {
      for (const kind of ["draw", "normal", ...kinds]) {
        const script = document.createElement("script");
        script.src = new URL(`${kind}.js`, folder);
        script.async = false; // in this order
        document.head.append(script);
      }
    });
    document.head.append(sheet);
  }

  // So does a field for an answer; without it, the answer below stays.
  if (document.querySelector("gb-answer")) {
    const script = document.createElement("script");
    script.src = new URL("answer.js", document.currentScript.src);
    document.head.append(script);
  }
})();
