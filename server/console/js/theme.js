// Light or dark, as the system has it or as was chosen here. early.js applies the choice before the page is painted.

const KEY = "quorate.theme";

export function chosenTheme() {
  return localStorage.getItem(KEY) ?? "auto";
}

export function chooseTheme(theme) {
  localStorage.setItem(KEY, theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
