// What pages need beside htmx: dialogs, notes, one submit a form, and the viewer's time zone.
"use strict";
(() => {
  const note = (text) => {
    const box = document.createElement("div");
    box.className = "toast-note error";
    const words = document.createElement("span");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn-close";
    close.setAttribute("data-dismiss", "");
    close.setAttribute("aria-label", "Close");
    box.append(words, close);
    document.getElementById("toasts").replaceChildren(box);
  };

  // data-opens="id" shows a <dialog>; data-closes inside of it, Escape and a click beside it close it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
    if (event.target.matches("dialog")) event.target.close();
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.parentElement.remove();
    const copier = event.target.closest("[data-copies]");
    if (copier) {
      const source = document.getElementById(copier.dataset.copies);
      navigator.clipboard.writeText(source.value || source.textContent.trim()).then(() => {
        copier.classList.add("is-copied");
        copier.setAttribute("aria-label", "Copied");
      });
    }
  });

  // data-submits: a choice that takes effect at once, such as a filter.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  // A second click must not do a thing twice.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (event.submitter && event.submitter.formTarget) return;  // into a frame: the page stays
    setTimeout(() => {
      event.target.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = true; });
    });
  });
  // Shown again from the browser's own cache, the form can be sent again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button[type=submit]").forEach((button) => { button.disabled = false; });
  });

  // Nobody looks at a tab in the background, so it asks for nothing.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const isPoll = /\bevery\b/.test(event.detail.elt.getAttribute("hx-trigger") || "");
    if (document.hidden && isPoll) event.preventDefault();
  });
  document.addEventListener("htmx:sendError", () => note("The server can't be reached. What is shown may be old."));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status !== 401) note(`The server answered with an error (${event.detail.xhr.status}).`);
  });

  // Times are written by the server, so it has to know the zone. A page shown before it did is loaded once more.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = (document.cookie.match(/(?:^|; )timezone=([^;]*)/) || ["", ""])[1];
  if (zone && decodeURIComponent(known) !== zone) {
    document.cookie = `timezone=${zone}; path=/; max-age=31536000; samesite=lax`;
    if (document.cookie.includes("timezone=") && document.querySelector("time")) window.location.reload();
  }
})();
