// Before anything is painted: the colours that were chosen here (theme.js).
{
  const theme = localStorage.getItem("quorate.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
