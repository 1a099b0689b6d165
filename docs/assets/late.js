// The search's index weighs more than a page: it is fetched when a reader goes to the search field,
// or comes from there, for what was looked for is marked by means of it.
(() => {
  "use strict";
  const wanted = new Promise((resolve) => {
    document.addEventListener("focusin", ({ target }) => {
      if (target.matches("[name=query]")) resolve();
    });
    const asked = new URLSearchParams(location.search);
    if (asked.has("q") || asked.has("h")) resolve();
  });
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    this.isIndex = String(address).endsWith("search/search_index.json");
    return open.call(this, method, address, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...body) {
    if (this.isIndex) wanted.then(() => send.apply(this, body));
    else send.apply(this, body);
  };
})();
