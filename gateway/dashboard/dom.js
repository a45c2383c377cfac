// Two helpers for building pages without a framework: text always goes through textContent, so nothing a
// gateway sends can become markup.

/** Makes an element: el("p", {class: "x", title: "y"}, "text", child, ...). Null children are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Makes `parent` hold exactly one child per item, in order, keeping the nodes whose key is still there: what
 * did not change keeps focus, animation and a screen reader's place. `make(item)` builds a node,
 * `update(node, item)` brings it up to date. */
export function keyed(parent, items, keyOf, make, update) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const fresh = items.map((item) => {
    const key = String(keyOf(item));
    let node = old.get(key);
    if (!node) {
      node = make(item);
      node.dataset.key = key;
    }
    old.delete(key);
    update(node, item);
    return node;
  });
  for (const node of old.values()) node.remove();
  fresh.forEach((node, i) => {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
  });
}

/** Sets text only when it differs. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
