// Runs before the first paint: a page that is shown light and turns dark a moment later hurts.
{
  const chosen = localStorage.getItem("pepperpy.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
