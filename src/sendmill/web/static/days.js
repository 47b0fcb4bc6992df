// The chart of the last days. Its colours are Tabler's, read anew when the theme changes.
"use strict";
(() => {
  const canvas = document.getElementById("days");
  const data = JSON.parse(document.getElementById("days-data").textContent);
  const colours = { delivered: "green", deferred: "yellow", unconfirmed: "purple", bounced: "orange", failed: "red", invalid: "pink", optout: "secondary" };
  // A canvas doesn't know what a variable of the style sheet is made of; an element's colour is worked out already.
  const probe = canvas.parentElement.appendChild(document.createElement("span"));
  probe.hidden = true;
  const variable = (name) => {
    probe.style.color = `var(--tblr-${name})`;
    return getComputedStyle(probe).color;
  };
  let chart = null;
  const draw = () => {
    if (chart) chart.destroy();
    const text = variable("body-color");
    const line = variable("border-color");
    chart = new Chart(canvas, {
      type: "bar",
      data: {
        labels: data.labels,
        datasets: data.series.map((series) => ({ label: series.title, data: series.counts, backgroundColor: variable(colours[series.name]) })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked: true, ticks: { color: text, maxRotation: 0, autoSkip: true }, grid: { display: false } },
          y: { stacked: true, beginAtZero: true, ticks: { color: text, precision: 0 }, grid: { color: line } },
        },
        plugins: { legend: { position: "bottom", labels: { color: text, boxWidth: 12 } } },
      },
    });
  };
  draw();
  document.addEventListener("sendmill:theme", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(draw));
})();
