// Runs before the page is painted, so that a dark page never flashes white. The choice is kept in a cookie of a year.
"use strict";
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (document.cookie.match(/(?:^|; )theme=(light|dark)/) || ["", ""])[1];
  const apply = () => {
    document.documentElement.setAttribute("data-bs-theme", chosen() || (system.matches ? "dark" : "light"));
    document.querySelectorAll("[data-theme-choice]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen()));
    });
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    const age = button.dataset.themeChoice ? 31536000 : 0;
    document.cookie = `theme=${button.dataset.themeChoice}; path=/; max-age=${age}; samesite=lax`;
    apply();
    document.dispatchEvent(new CustomEvent("sendmill:theme"));
  });
})();
