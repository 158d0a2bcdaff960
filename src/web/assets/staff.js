// Keeps the page fresh: fetches it again every few seconds and puts in only what has changed.
const PERIOD_MS = 3000;

// Changes `now` into `then` part by part, so that focus, selection and pictures stay where they are.
function update(now, then) {
  if (now.isEqualNode(then)) return;
  const same = now.nodeType === then.nodeType && now.nodeName === then.nodeName;
  if (!same) { now.replaceWith(then.cloneNode(true)); return; }
  if (now.nodeType === Node.TEXT_NODE) { now.data = then.data; return; }
  for (const { name } of [...now.attributes]) if (!then.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of then.attributes) if (now.getAttribute(name) !== value && !(name === "src" && now.closest("figure"))) now.setAttribute(name, value);
  const [old, fresh] = [[...now.childNodes], [...then.childNodes]];
  fresh.forEach((node, at) => (at < old.length ? update(old[at], node) : now.append(node.cloneNode(true))));
  old.slice(fresh.length).forEach((node) => node.remove());
}

// A picture is exchanged only once the new one has been loaded.
async function refreshPictures() {
  for (const image of document.querySelectorAll("figure img")) {
    const source = image.getAttribute("src").split("?")[0];
    const next = new Image();
    next.src = `${source}?${Date.now()}`;
    await next.decode().then(() => { image.src = next.src; }).catch(() => {});
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    update(document.querySelector("main"), fresh.querySelector("main"));
    await refreshPictures();
  } catch {
    document.querySelector(".stale").hidden = false;
  }
  setTimeout(refresh, PERIOD_MS);
}

setTimeout(refresh, PERIOD_MS);
