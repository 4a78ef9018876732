// The API reference knows its dark colours by a class alone: give it that of whoever chose nothing, by their system.
const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
system.addEventListener("change", follow);
follow();
