// Uploads: the file's beginning is shown before all of it is sent, and a bar while it is.
"use strict";
(() => {
  const SAMPLE_BYTES = 65536;
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const place = form.querySelector("#sample");
  const progress = form.querySelector(".upload-progress");
  const bar = progress.querySelector("progress");
  let asked = 0;

  const show = async (keepsColumns) => {
    const file = input.files[0];
    const number = ++asked;
    if (!file) { place.replaceChildren(); return; }
    const body = new FormData();
    body.append("sample", file.slice(0, SAMPLE_BYTES), "sample");
    body.append("asks_names", form.dataset.asksNames);
    if (keepsColumns) {
      form.querySelectorAll("[data-column]").forEach((choice) => body.append(choice.name, choice.value));
    }
    const focused = keepsColumns ? document.activeElement.id : "";
    const headers = {"X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value, "HX-Request": "true"};
    let text = "";
    try {
      const answer = await fetch(form.dataset.sampleUrl, {method: "POST", body, headers});
      if (answer.ok) text = await answer.text();
    } catch { /* The upload itself says what is wrong. */ }
    if (number !== asked) return;
    place.innerHTML = text;
    if (focused) document.getElementById(focused)?.focus();
  };

  input.addEventListener("change", () => show(false));
  form.addEventListener("change", (event) => { if (event.target.matches("[data-column]")) show(true); });
  form.addEventListener("htmx:beforeRequest", () => { bar.value = 0; progress.hidden = false; });
  form.addEventListener("htmx:xhr:progress", (event) => {
    if (event.detail.lengthComputable) bar.value = event.detail.loaded * 100 / event.detail.total;
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.xhr.getResponseHeader("HX-Redirect")) progress.hidden = true;
  });
})();
