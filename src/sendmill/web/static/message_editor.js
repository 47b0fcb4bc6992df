// The editor of a message: its preview follows what is written. form[data-editor] has the fields.
"use strict";
(() => {
  const form = document.querySelector("form[data-editor]");
  if (!form) return;
  const holder = document.getElementById("preview-holder");
  const shower = document.getElementById("preview-button");
  const source = form.elements.email_message;
  let number = 0;
  let timer = 0;
  let lastField = source;

  // A new frame each time: a frame that goes on to another page would add to the history of the browser.
  const show = () => {
    const fresh = document.createElement("iframe");
    const before = holder.querySelector("iframe");
    number += 1;
    fresh.name = `preview-${number}`;
    fresh.title = before.title;
    fresh.className = before.className;
    fresh.setAttribute("sandbox", "");
    fresh.hidden = true;
    holder.append(fresh);
    shower.formTarget = fresh.name;
    form.requestSubmit(shower);
    const swap = () => {
      if (!fresh.isConnected) return;
      fresh.hidden = false;
      holder.querySelectorAll("iframe").forEach((frame) => { if (frame !== fresh) frame.remove(); });
    };
    fresh.addEventListener("load", swap, { once: true });
    document.body.dispatchEvent(new Event("preview"));
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(show, 400); };

  form.addEventListener("input", (event) => {
    if (event.target.name === "contact" || event.target.name === "group") form.elements.position.value = "0";
    if (event.target.type !== "file") later();
  });
  form.addEventListener("focusin", (event) => {
    if (event.target === source || event.target.name === "description") lastField = event.target;
  });

  // A file takes the place of what is written.
  const upload = form.querySelector("[data-fills-source]");
  if (upload) upload.addEventListener("change", async () => {
    const file = upload.files[0];
    if (!file || file.size > 10485760) return;
    source.value = await file.text();
    upload.value = "";
    show();
  });

  // Tab indents; after Escape it moves on, as it does everywhere else.
  let leaves = false;
  source.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaves = true; return; }
    if (event.key === "Tab" && !leaves && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      source.setRangeText("  ", source.selectionStart, source.selectionEnd, "end");
      later();
    } else if (event.key !== "Shift") { leaves = false; }
  });
  source.addEventListener("blur", () => { leaves = false; });

  document.addEventListener("click", (event) => {
    const inserts = event.target.closest("[data-inserts]");
    if (inserts && !lastField.readOnly) {
      lastField.setRangeText(`{{ ${inserts.dataset.inserts} }}`, lastField.selectionStart, lastField.selectionEnd, "end");
      lastField.focus();
      later();
    }
    const next = event.target.closest("[data-shows-contact]");
    if (next) { form.elements.position.value = next.dataset.showsContact; show(); }
    const width = event.target.closest("[data-width]");
    if (width) {
      holder.querySelectorAll("iframe").forEach((frame) => frame.classList.toggle("is-narrow", width.dataset.width === "narrow"));
      document.querySelectorAll("[data-width]").forEach((button) => button.setAttribute("aria-pressed", String(button === width)));
    }
  });
  form.elements.dark.addEventListener("change", () => {
    holder.querySelectorAll("iframe").forEach((frame) => frame.classList.toggle("is-dark", form.elements.dark.checked));
  });

  // Work that isn't saved is not lost by a click.
  let saved = source.value + form.elements.description.value;
  form.addEventListener("submit", (event) => { if (event.submitter !== shower) saved = null; });
  window.addEventListener("beforeunload", (event) => {
    if (saved !== null && saved !== source.value + form.elements.description.value) event.preventDefault();
  });
  show();
})();
