// Live data: fetch a resource, hear that it changed, fetch it again.
//
// The stream carries events (for the ticker) and the names of resources that changed; the truth is always
// fetched whole. So the first view, an update and the view after a lost connection go the same way, and
// nothing can drift. EventSource reconnects by itself and says Last-Event-ID; only when it gives up for good
// do we make a new one.

const HEALTH_EVERY_MS = 15000;
const RETRY_MS = 2000;

export class Live {
  /** resources: {name: url}; onData(name, json); onEvent(row); onStatus(): `status` or `healthy` changed. */
  constructor({ resources, onData, onEvent, onStatus }) {
    Object.assign(this, { resources, onData, onEvent, onStatus });
    this.status = "connecting"; // live, reconnecting
    this.brokerConnected = true;
    this.clockOffsetMs = 0; // headquarters' clock minus ours
    this.heardMs = Date.now();
    this.busy = new Map(); // name -> "once" or "again"
    this.listen();
    this.checkHealth();
    setInterval(() => this.checkHealth(), HEALTH_EVERY_MS);
  }

  /** Headquarters' time now, ms since 1970. */
  now() {
    return Date.now() + this.clockOffsetMs;
  }

  setStatus(status) {
    this.status = status;
    this.onStatus();
  }

  listen() {
    const source = new EventSource("/api/events/stream");
    source.onopen = () => {
      this.setStatus("live");
      this.refresh(Object.keys(this.resources)); // what changed while nobody listened
    };
    source.onerror = () => {
      this.setStatus("reconnecting");
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => this.listen(), RETRY_MS * (0.5 + Math.random()));
    };
    source.onmessage = (message) => {
      this.heardMs = Date.now();
      this.onEvent?.(JSON.parse(message.data));
    };
    source.addEventListener("changed", (message) => {
      this.heardMs = Date.now();
      this.refresh(JSON.parse(message.data).filter((name) => name in this.resources));
    });
  }

  refresh(names) {
    for (const name of names) this.fetchOne(name);
  }

  /** One request a resource at a time; a change that comes meanwhile makes one more. */
  async fetchOne(name) {
    if (this.busy.has(name)) {
      this.busy.set(name, "again");
      return;
    }
    this.busy.set(name, "once");
    try {
      const response = await fetch(this.resources[name], { cache: "no-store" });
      const json = await response.json();
      this.heardMs = Date.now();
      this.onData(name, json, response.ok);
    } catch {
      // the stream fails too and says so; its next open fetches everything
    }
    const again = this.busy.get(name) === "again";
    this.busy.delete(name);
    if (again) this.fetchOne(name);
  }

  async checkHealth() {
    try {
      const asked = Date.now();
      const health = await (await fetch("/api/health", { cache: "no-store" })).json();
      this.heardMs = Date.now();
      this.clockOffsetMs = health.now_us / 1000 - (asked + this.heardMs) / 2;
      this.brokerConnected = health.broker_connected;
    } catch {
      // as above
    }
    this.onStatus();
  }
}

/** Shows the connection in the header: #live and #live-text. */
export function showStatus(live, t) {
  const state = live.status === "live" && !live.brokerConnected ? "brokerDown" : live.status;
  const node = document.getElementById("live");
  node.dataset.live = state;
  document.getElementById("live-text").textContent = t(state);
}
