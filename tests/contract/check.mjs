// Validates a capture of everything that crossed the broker: `mosquitto_sub -F %j` lines.
// usage: check.mjs SOURCE_DIR CAPTURE [EXPECTED_TYPE...]
// Checks: the topic is one of asyncapi.yaml's channels; QoS, retain and content type are as bound there; the
// payload fits the schema; CloudEvents attributes agree with topic and each other; seq of each epoch is 1, 2, 3
// ... without a gap in the order of first arrival; no hardware address, e-mail or telephone number anywhere.
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { loadSchemas } from './schemas.mjs';

const [source, capture, ...expected] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const yaml = require('js-yaml');
const { dir, validate } = loadSchemas(source);
const api = yaml.load(readFileSync(join(dir, 'asyncapi.yaml'), 'utf8'));
const deref = (o) => (o.$ref ? o.$ref.slice(2).split('/').reduce((at, k) => at[k], api) : o);

// those of the store's own broker are for local.mjs
const here = ([, c]) => !(c.servers ?? []).some((s) => s.$ref === '#/servers/store');
const channels = Object.entries(api.channels).filter(here).map(([name, c]) => {
  const op = Object.values(api.operations).find((o) => o.channel.$ref === `#/channels/${name}`);
  const pattern = c.address.replace(/\{(\w+)\}/g, (_, p) => {
    const allowed = deref(c.parameters[p]).enum;
    return `(?<${p}>${allowed ? allowed.join('|') : '[^/]+'})`;
  });
  return { name, pattern: new RegExp(`^${pattern}$`), mqtt: op.bindings.mqtt, messages: Object.values(c.messages).map(deref) };
});

const ADDRESS = /(?:^|[^0-9a-fA-F:])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:])/;
const EMAIL = /[\w.+-]+@[\w-]+\.\w{2,}/;
const PHONE = /(?:^|\D)(?:\+81|0[789]0)[- ]?\d{4}[- ]?\d{4}(?:\D|$)/;
const TYPE_CLASS = { visit: 'visit', shelf: 'stock', stock: 'stock', offer: 'offer', alert: 'alert', sensor: 'alert', gateway: 'gateway', hold: 'hold', task: 'task', kpi: 'kpi', member: 'gateway' };

const PAYLOAD = { ack: 'ack.json', cmd: 'command.json' };
const BUNDLE = { members: 'members.json', campaigns: 'campaigns.json', planogram: 'bundle-planogram.json', config: 'bundle-config.json', keys: 'bundle-keys.json' };

const problems = [];
const seen = { messages: 0, events: 0, repeats: 0, types: new Set(), channels: new Set() };
const next = new Map(); // source + epoch -> next seq
const ends = new Map(); // change_id -> how often settled or retracted
let line = 0;
const complain = (why) => problems.length < 20 && problems.push(`line ${line}: ${why}`);

function checkEvent(e, where) {
  const schema = validate('event.json', e);
  if (schema) return complain(`${e.type}: ${schema}`);
  if (e.id !== `${e.epoch}:${e.seq}`) complain(`id ${e.id} is not epoch:seq`);
  if (e.source !== `/noren/${where.tenant}/${where.store}/${where.gateway}`) complain(`source ${e.source} is not the topic's`);
  if (TYPE_CLASS[e.type.split('.')[1]] !== where.class) complain(`${e.type} came in class ${where.class}`);
  const key = `${e.source} ${e.epoch}`;
  const seq = Number(e.seq), want = next.get(key) ?? 1;
  if (seq > want) complain(`seq ${seq} came before ${want} (gap)`);
  if (seq < want) return void seen.repeats++; // at least once: a resend, never new content
  next.set(key, seq + 1);
  seen.events++;
  seen.types.add(e.type);
  if (e.data.change_id && e.data.stage && e.data.stage !== 'provisional') {
    const id = `${key} ${e.data.change_id}`;
    ends.set(id, (ends.get(id) ?? 0) + 1);
    if (ends.get(id) > 1) complain(`change ${e.data.change_id} ended twice`);
  }
}

for (const text of readFileSync(capture, 'utf8').split('\n')) {
  line++;
  if (text === '') continue;
  const m = JSON.parse(text);
  seen.messages++;
  const channel = channels.find((c) => c.pattern.test(m.topic));
  if (!channel) { complain(`no channel of asyncapi.yaml fits topic ${m.topic}`); continue; }
  seen.channels.add(channel.name);
  const where = channel.pattern.exec(m.topic).groups;
  if (m.qos !== channel.mqtt.qos) complain(`${m.topic}: QoS ${m.qos}, must be ${channel.mqtt.qos}`);
  if (Boolean(m.retain) !== channel.mqtt.retain) complain(`${m.topic}: retain ${m.retain}, must be ${channel.mqtt.retain}`);
  const type = m.properties?.['content-type'];
  const message = channel.messages.find((x) => x.contentType === type);
  if (!message) { complain(`${m.topic}: content type ${type}`); continue; }
  for (const [what, pattern] of [['hardware address', ADDRESS], ['e-mail', EMAIL], ['telephone number', PHONE]])
    if (pattern.test(m.payload) || pattern.test(m.topic)) complain(`${m.topic}: looks like a ${what}: ${m.payload.slice(0, 200)}`);
  if (type === 'application/jose') {
    const bad = validate('jws.json', m.payload);
    if (bad) { complain(`${m.topic}: ${bad}`); continue; }
    const payload = JSON.parse(Buffer.from(m.payload.split('.')[1], 'base64url').toString());
    const inner = validate(PAYLOAD[channel.name] ?? BUNDLE[where.bundle ?? 'members'], payload);
    if (inner) complain(`${m.topic}: signed payload: ${inner}`);
    continue;
  }
  let value;
  try { value = JSON.parse(m.payload); } catch (e) { complain(`${m.topic}: ${e.message}`); continue; }
  const bad = validate(message.payload.$ref, value);
  if (bad) { complain(`${m.topic}: ${bad}`); continue; }
  if (channel.name === 'evt') {
    if (Array.isArray(value) && m.payload.length > 65536) complain(`a batch of ${m.payload.length} bytes`);
    for (const e of Array.isArray(value) ? value : [value]) checkEvent(e, where);
  }
}
// (a demo store's members fit into one part)
for (const name of channels.map((c) => c.name)) if (!seen.channels.has(name) && name !== 'desiredMembersPart') complain(`nothing was seen on channel ${name}`);
for (const t of expected) if (!seen.types.has(t)) complain(`no ${t} was seen`);
console.log(`contract: ${seen.messages} messages, ${seen.events} events of ${seen.types.size} types, ${seen.repeats} repeats, ${next.size} epochs`);
assert.deepEqual(problems, [], problems.join('\n'));
