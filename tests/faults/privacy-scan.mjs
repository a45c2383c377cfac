// Looks for what must be nowhere: the address and the keys of the member that tests/faults/load.c plays, in
// every spelling, and anything that looks like a hardware address or a private key.
// usage: node privacy-scan.mjs DIR                 prints findings, ends with 1 when there is one
//        node privacy-scan.mjs --plant KIND FILE   appends one, to test the test
import { createHmac } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const address = Buffer.from('010203040546', 'hex') // as on air
const memberKey = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
const dayKeys = [-1, 0, 1].map((day) => {
  const date = new Date(Date.now() + day * 86400000).toISOString().slice(0, 10).replaceAll('-', '')
  return createHmac('sha256', memberKey).update('noren-day' + date).digest().subarray(0, 16)
})
const spellings = (b) => {
  const hex = b.toString('hex')
  return [b, hex, hex.toUpperCase(), b.toString('base64').replace(/=+$/, ''), b.toString('base64url')]
}
const colons = (b) => b.toString('hex').match(/../g).join(':')
const needles = [
  ...[address, Buffer.from(address).reverse()].flatMap((a) =>
    [a, a.toString('hex'), a.toString('hex').toUpperCase(), colons(a), colons(a).toUpperCase()].map((n) => ['address', n])),
  ...spellings(memberKey).map((n) => ['member-key', n]),
  ...dayKeys.flatMap((k) => spellings(k).map((n) => ['day-key', n])),
  ['private-key', 'PRIVATE KEY-----'],
].map(([kind, n]) => [kind, Buffer.from(n)])
const looksLike = /(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])/g

if (process.argv[2] === '--plant') {
  const [, n] = needles.filter(([kind]) => kind === process.argv[3]).at(-1)
  appendFileSync(process.argv[4], n)
} else {
  let found = 0
  const dir = process.argv[2]
  for (const name of readdirSync(dir, { recursive: true })) {
    if (!statSync(join(dir, name)).isFile()) continue
    const bytes = readFileSync(join(dir, name))
    for (const [kind, needle] of needles) {
      const at = bytes.indexOf(needle)
      if (at >= 0) {
        console.log(`${name}: ${kind} at byte ${at} (${needle.length} bytes)`)
        found++
      }
    }
    for (const m of bytes.toString('latin1').matchAll(looksLike)) {
      console.log(`${name}: address-like ${m[0]} at byte ${m.index}`)
      found++
    }
  }
  process.exitCode = found ? 1 : 0
}
