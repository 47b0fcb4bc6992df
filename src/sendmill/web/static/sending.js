// How much of a file has been sent: form[data-uploads] has a <progress>.
"use strict";
document.addEventListener("htmx:xhr:progress", (event) => {
  const form = event.target.closest("form[data-uploads]");
  if (!form || !event.detail.lengthComputable) return;
  const bar = form.querySelector("progress");
  bar.hidden = false;
  bar.max = event.detail.total;
  if (event.detail.loaded < event.detail.total) bar.value = event.detail.loaded;
  else bar.removeAttribute("value");  // all is there, and is being stored
});
