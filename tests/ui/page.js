// Put into the page by the tests: finds what a person or a screen reader would find.
// Expects @testing-library/dom as `TestingLibraryDom`.

(() => {
  const { queryAllByRole } = window.TestingLibraryDom;
  const matcher = (name) => (typeof name === "string" ? name : new RegExp(name.source, name.flags));
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });

  /** The elements of that role and name that can be seen, `inside` others where given. */
  function all([{ role, name, ...more }, ...inner]) {
    const options = { hidden: true, ...more, ...(name === undefined ? {} : { name: matcher(name) }) };
    return within([document.body], role, options, inner);
  }

  function within(roots, role, options, inner) {
    const found = roots.flatMap((root) => queryAllByRole(root, role, options)).filter(isSeen);
    if (inner.length === 0) return found;
    const [{ role: next, name, ...more }, ...rest] = inner;
    const wanted = { hidden: true, ...more, ...(name === undefined ? {} : { name: matcher(name) }) };
    return within(found, next, wanted, rest);
  }

  const screens = new Set();

  /** Learns of every terminal that is drawn from now on. The module is the one the app has. */
  async function watchScreens(url) {
    if (window.look.watching) return;
    window.look.watching = true;
    const { Screen } = await import(url);
    for (const name of ["show", "write", "fit", "repaint"]) {
      const before = Screen.prototype[name];
      Screen.prototype[name] = function (...given) {
        if (name === "show") this.lookHost = given[0];
        screens.add(this);
        window.look.hears?.[name]?.(this, ...given);
        return before.apply(this, given);
      };
    }
  }

  /** The terminal that is in front, or the one in pane `at`. */
  function screen(at = 0) {
    const rooms = [...document.querySelectorAll("[data-terminal]")].filter(isSeen);
    const host = rooms[at]?.querySelector(".terminal-host");
    return [...screens].find((each) => each.lookHost === host && host !== undefined) ?? null;
  }

  window.look = { all, isSeen, watchScreens, screen, screens, hears: {}, watching: false };
})();
