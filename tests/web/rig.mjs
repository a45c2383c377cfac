// A store for the browser tests: a broker with TLS and ACL, noren-hq and norend on the simulated board, all
// shipped programs on free ports in a temporary folder. Shoppers are datagrams to run_dir/sim.sock.

import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const source = process.env.NOREN_SOURCE_DIR ?? new URL("../..", import.meta.url).pathname;
const build = process.env.NOREN_BUILD_DIR ?? join(source, "build/release");
const bin = join(build, "bin");
const shop = join(source, "boards/sim/store");

const tenant = "web", store = "kanda", gateway = "gw1";
const GOOD_RSSI = -48, FAR_RSSI = -88;

export const planogram = JSON.parse(readFileSync(join(shop, "planogram.json")));
export const campaigns = JSON.parse(readFileSync(join(shop, "campaigns.json"))).campaigns;
export const members = JSON.parse(readFileSync(join(shop, "members.json"))).members;
export const buildDir = build;

/** Nobody judges the machine: what has to come, comes; only what a requirement limits has a limit of its own. */
export const PATIENCE_MS = 120000;

/** Waits until `look()` gives something truthy; `what` names it when it does not come. */
export async function until(what, look, limitMs = PATIENCE_MS) {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} did not come within ${limitMs} ms`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/* A port that nothing listens on, below the range that the kernel gives out by itself. */
function freePort() {
  return new Promise((done) => {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const server = createServer().on("error", () => done(freePort()));
    server.listen(port, "127.0.0.1", () => server.close(() => done(port)));
  });
}

const listens = (port) =>
  new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false)).on("connect", () => socket.end());
  });

/* The member token of now, as an HCI event with one legacy advertising report (design section 6). It is built
 * here a second time, from the text of the design, so that the gateway's decoder is not tested by itself. */
function tokenPacket(member, rssi) {
  const step = Math.floor(Date.now() / 1000 / 900);
  const date = new Date(step * 900000).toISOString().slice(0, 10).replaceAll("-", "");
  const key = Buffer.from(member.member_key, "hex");
  const dayKey = createHmac("sha256", key).update(`noren-day${date}`).digest().subarray(0, 16);
  const stepBytes = Buffer.alloc(8);
  stepBytes.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha256", dayKey).update("noren-token").update(stepBytes).digest().subarray(0, 10);
  const token = Buffer.concat([Buffer.from("4e524e3110", "hex"), Buffer.from([step & 255]), mac]);
  const ad = Buffer.concat([Buffer.from([17, 0x07]), Buffer.from(token).reverse()]);
  const report = Buffer.concat([
    Buffer.from([0x02, 1, 0x03, 1]), // subevent, one report, ADV_NONCONN_IND, random address
    Buffer.from([1, 2, 3, 4, 5, 0x46]), Buffer.from([ad.length]), ad, Buffer.from([rssi & 255]),
  ]);
  return Buffer.concat([Buffer.from([0x3e, report.length]), report]).toString("hex");
}

export class Rig {
  static async start() {
    const rig = new Rig();
    rig.work = mkdtempSync(join(tmpdir(), "noren-web-"));
    rig.programs = new Map();
    for (const name of ["config", "gateway", "hq", "run"]) mkdirSync(join(rig.work, name));
    try {
      rig.mqttPort = await freePort();
      rig.configure();
      await rig.startBroker();
      await rig.startHq();
      await rig.startNorend();
    } catch (error) {
      await rig.stop();
      throw new Error(`${error.message}\n${rig.logs()}`);
    }
    return rig;
  }

  file(name, text) {
    const path = join(this.work, name);
    if (text !== undefined) writeFileSync(path, text);
    return path;
  }

  configure() {
    const pki = this.file("pki");
    execFileSync(join(source, "scripts/demo-pki"), [pki, tenant, store, gateway]);
    for (const name of ["map", "campaigns"]) copyFileSync(join(shop, `${name}.json`), this.file(`config/${name}.json`));
    // nothing in the backroom: what the shelf has is all that can be promised
    this.file("config/planogram.json", JSON.stringify({ ...planogram, backroom: [] }));
    copyFileSync(join(pki, "hq.pub"), this.file("config/hq.pub"));
    this.file("mosquitto.conf", `listener ${this.mqttPort} 127.0.0.1
cafile ${pki}/ca.crt
certfile ${pki}/server.crt
keyfile ${pki}/server.key
require_certificate true
use_identity_as_username true
acl_file ${pki}/acl
allow_anonymous false
persistence false
user ${userInfo().username}
log_dest stdout
`);
    const mqtt = (name) => `[mqtt]
host = localhost
port = ${this.mqttPort}
ca = ${pki}/ca.crt
cert = ${pki}/${name}.crt
key = ${pki}/${name}.key
`;
    this.file("config/noren.conf", `[gateway]
tenant = ${tenant}
store = ${store}
gateway = ${gateway}
data_dir = ${this.file("gateway")}
run_dir = ${this.file("run")}
board = ${source}/boards/sim/board.conf
${mqtt(gateway)}`);
    this.file("hq.conf", `[hq]
data_dir = ${this.file("hq")}
http_port = 0
key = ${pki}/hq-sign.key
members = ${shop}/members.json
pages = ${source}/gateway/dashboard
${mqtt("hq")}tenant = ${tenant}
`);
  }

  spawn(name, command, args) {
    const log = openSync(this.file(`${name}.log`), "a");
    const child = spawn(command, args, { stdio: ["ignore", log, log], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
    this.programs.set(name, child);
    child.on("error", (error) => this.file(`${name}.log`, String(error)));
    child.on("exit", () => this.programs.get(name) === child && this.programs.delete(name));
  }

  log(name) {
    try {
      return readFileSync(this.file(`${name}.log`), "utf8");
    } catch {
      return "";
    }
  }

  logs() {
    return ["broker", "hq", "norend"].map((name) => `--- ${name}\n${this.log(name).split("\n").slice(-20).join("\n")}`).join("\n");
  }

  async startBroker() {
    this.spawn("broker", "mosquitto", ["-c", this.file("mosquitto.conf")]);
    await until("the broker", () => listens(this.mqttPort));
  }

  async startHq() {
    this.spawn("hq", join(bin, "noren-hq"), ["--config", this.file("hq.conf")]);
    await until("headquarters", () => this.log("hq").includes("connected, tenant"));
    this.url = this.log("hq").match(/pages at (http:\S+?)\/\n/)[1];
  }

  async startNorend() {
    this.spawn("norend", join(bin, "norend"), ["--config", this.file("config")]);
    await until("the gateway at headquarters", async () => (await this.get("gateways"))[0]?.online);
  }

  async get(resource) {
    return (await fetch(`${this.url}/api/${resource}`)).json();
  }

  /** Waits until headquarters has an offer with this status. */
  waitForOffer(status) {
    return until(`an offer ${status}`, async () => (await this.get("offers")).find((one) => one.status === status), 30000);
  }

  /** Ends a program and waits for it. */
  async end(name, signal = "SIGTERM") {
    const child = this.programs.get(name);
    if (!child) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await gone;
  }

  /** Datagrams to the simulated board. Node has no unix datagram sockets: socat (a test dependency) has. */
  send(...lines) {
    for (const line of lines) execFileSync("socat", ["-u", "-", `UNIX-SENDTO:${this.file("run/sim.sock")}`], { input: line });
  }

  /** Puts exactly `quantity` units on a plate. */
  load(plateId, quantity) {
    const plate = planogram.plates.find((one) => one.id === plateId);
    const [cell] = plate.cells;
    const mass = quantity * plate.facings[0].unit_mass_mg;
    this.send(`load ${cell.id} ${Math.round(cell.zero_counts + mass / cell.mg_per_count)}`);
  }

  /** Lets a member's phone be heard, nearest to `receiver`, until the returned function is called. */
  phone(member, receiver) {
    const heard = () => {
      for (const id of ["door", "left", "middle", "right"])
        this.send(`adv ${id} ${tokenPacket(member, id === receiver ? GOOD_RSSI : FAR_RSSI)}`);
    };
    heard();
    const timer = setInterval(heard, 250);
    return () => clearInterval(timer);
  }

  async stop({ keep = false } = {}) {
    for (const name of ["norend", "hq", "broker"]) await this.end(name);
    if (!keep) rmSync(this.work, { recursive: true, force: true });
  }
}
