// The search's index weighs more than a page: it is fetched when a reader goes to the search field.
(() => {
  "use strict";
  const wanted = new Promise((resolve) => {
    document.addEventListener("focusin", ({ target }) => {
      if (target.matches("[name=query]")) resolve();
    });
    if (new URLSearchParams(location.search).has("q")) resolve();
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
